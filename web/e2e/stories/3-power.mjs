import { check, until } from '../harness.mjs';

export const stories = {
  'start, restart and stop work; what makes no sense says why': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const { page } = viewer;
    await viewer.openServer(world.server);
    await viewer.becomes('running');
    check((await page.getAttribute('[data-power=start]', 'aria-disabled')) === 'true', 'A running server can be started.');
    // It stays reachable for a reader, so a press counts; the driver thinks it does not.
    await page.click('[data-power=start]', { force: true });
    check((await page.locator('.told').innerText()).includes('already running'), 'Pressing a button that makes no sense does not say why.');
    await viewer.power('stop');
    await viewer.becomes('offline');
    const rows = (await viewer.lines()).length;
    await page.fill('#command', 'help');
    await page.press('#command', 'Enter');
    await until('the reason stands beside the command line', async () => (await page.locator('#command-trouble').innerText()).includes('offline'));
    check((await page.inputValue('#command')) === 'help', 'The refused command is lost.');
    check((await page.locator('.notice').count()) === 0 && (await viewer.lines()).length === rows, 'The refusal also stands elsewhere.');
    await page.fill('#command', '');
    await viewer.power('start');
    await viewer.becomes('running');
    // A restart can be over before anybody looks: what stays is that it greets once more.
    const greetings = async () => (await viewer.lines()).filter((line) => line.includes('e2e: hello')).length;
    const before = await greetings();
    await viewer.power('restart');
    await until('it greets once more', async () => (await greetings()) > before, 20);
    await viewer.becomes('running', 20);
  },

  'an end that nobody asked for stands above the console': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const { page } = viewer;
    await viewer.openServer(world.server);
    await viewer.becomes('running');
    await page.fill('#command', 'crash');
    await page.press('#command', 'Enter');
    await viewer.becomes('offline');
    const end = page.locator('.end');
    await until('the end is named', async () => (await end.count()) === 1 && (await end.innerText()).includes('exit code 3'));
    await page.reload();
    await until('it is after a reload', async () => (await end.count()) === 1 && (await end.innerText()).includes('exit code 3'));
    await viewer.power('start');
    await viewer.becomes('running');
    check((await end.count()) === 0, 'A running server is said to have ended.');
    await viewer.power('stop');
    await viewer.becomes('offline');
    await page.waitForTimeout(2_000);
    check((await end.count()) === 0, 'A stop is shown as if nobody had asked for it.');
    await world.running();
  },

  'kill asks first': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const { page } = viewer;
    await viewer.openServer(world.server);
    await viewer.becomes('running');
    await viewer.power('kill');
    const dialog = page.locator('dialog[open]');
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await until('Escape closes the question', async () => (await dialog.count()) === 0);
    check(await page.evaluate(() => document.activeElement?.getAttribute('data-power') === 'kill'), 'After the question, the focus is not back on the button.');
    await viewer.power('kill');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.waitForTimeout(700);
    check((await viewer.state()) === 'running', 'The server was killed although nobody said yes.');
    await viewer.power('kill');
    await dialog.getByRole('button', { name: 'Kill it' }).click();
    await viewer.becomes('offline');
    await world.running();
  },
};
