import { check, until } from '../harness.mjs';

export const stories = {
  'who may only watch has no command line and no buttons': async (world) => {
    await world.running();
    const viewer = await world.viewer({ who: world.watcher });
    await viewer.openServer(world.server);
    check((await viewer.page.locator('#command').count()) === 0, 'A watcher has a command line.');
    check((await viewer.page.locator('[data-power]').count()) === 0, 'A watcher has power buttons.');
    await world.call('post', `/api/client/servers/${world.server}/command`, { command: 'help' });
    await viewer.sees('words: help');
    check(!(await viewer.lines()).includes('number 111111.'), 'A watcher reads what was printed before he was let in.');
  },

  'who may not connect gets state, figures and buttons, and one sentence': async (world) => {
    const viewer = await world.viewer({ who: world.pusher });
    const { page } = viewer;
    await viewer.open(`/server/${world.other}`);
    await page.getByText('websocket.connect').waitFor();
    check((await page.locator('.xterm').count()) === 0, 'There is a terminal.');
    check((await page.locator('[data-power=restart]').count()) === 0, 'Restart is offered without the right to it.');
    await viewer.becomes('offline');
    await viewer.power('start');
    await viewer.becomes('running');
    await until('there are figures', async () => (await page.locator('.figures').innerText()).includes('%'));
    await viewer.power('stop');
    await viewer.becomes('offline');
  },

  'a stranger is told that there is no such server': async (world) => {
    const viewer = await world.viewer({ who: world.pusher });
    await viewer.open(`/server/${world.server}`);
    await viewer.page.getByRole('heading', { name: 'No such server' }).waitFor();
  },

  'an administrator sees live consoles, ends one, and finds it all in the audit': async (world) => {
    await world.running();
    const watched = await world.viewer({ who: world.watcher });
    await watched.openServer(world.server);
    const admin = await world.viewer();
    await admin.openServer(world.server);
    await admin.type('help');
    await admin.sees('words: help');
    const { page } = admin;
    await admin.open('/admin/sockets');
    const row = page.locator('tbody tr', { hasText: world.watcher.user });
    await until('the watcher’s console is listed', async () => (await row.count()) === 1);
    await row.getByRole('button').click();
    await page.locator('dialog[open]').getByRole('button', { name: 'End it' }).click();
    await until('the watcher is told', async () => (await watched.page.locator('[data-phase=ended]').innerText().catch(() => '')).includes('administrator'), 5);
    await until('it is gone from the list', async () => (await row.count()) === 0);

    await admin.open('/admin/audit');
    await page.fill('#server', world.server);
    await page.getByRole('button', { name: 'Show' }).click();
    const table = page.locator('tbody');
    // The node's reports take up to 5 s.
    await until(
      'the command and the connection are in the audit',
      async () => {
        await page.getByRole('button', { name: 'Show' }).click();
        await page.waitForTimeout(300);
        const text = await table.innerText().catch(() => '');
        return text.includes('server:console.command') && text.includes('command: help') && text.includes('server:websocket.connect');
      },
      10,
    );
    const times = await table.locator('time').evaluateAll((all) => all.map((time) => time.getAttribute('datetime')));
    check(times.map(Date.parse).every((time, i, all) => i === 0 || time <= all[i - 1]), 'The audit is not newest first.');
    await page.fill('#user', world.watcher.user);
    await page.getByRole('button', { name: 'Show' }).click();
    await until('only the watcher’s rows are left', async () => {
      const users = await table.locator('td[data-label=User]').allInnerTexts();
      return users.length > 0 && users.every((name) => name === world.watcher.user);
    });
  },
};
