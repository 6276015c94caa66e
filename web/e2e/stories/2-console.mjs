import { check, until } from '../harness.mjs';

const count = (lines, text) => lines.filter((line) => line === text).length;

export const stories = {
  'a command is typed and its answer read; earlier commands come back with the arrow': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    await viewer.sees('e2e: hello');
    await viewer.type('help');
    await viewer.sees('words: help, colours');
    await viewer.type('colours');
    await viewer.sees('bold 日本');
    check(!(await viewer.lines()).some((line) => line.includes('\u001b')), 'Escape characters were copied as text.');
    await viewer.page.focus('#command');
    await viewer.page.keyboard.type('dra');
    await viewer.page.keyboard.press('ArrowUp');
    await viewer.page.keyboard.press('ArrowUp');
    check((await viewer.page.inputValue('#command')) === 'help', 'Arrow up twice does not bring back the command before the last.');
    await viewer.page.keyboard.press('ArrowDown');
    await viewer.page.keyboard.press('ArrowDown');
    check((await viewer.page.inputValue('#command')) === 'dra', 'Arrow down does not bring back the draft.');
  },

  'a reload shows the history once': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    const from = Number(String(Date.now()).slice(-6));
    await viewer.type(`count ${from} ${from + 49}`);
    await viewer.sees(`number ${from + 49}.`);
    for (let round = 0; round < 2; round += 1) {
      await viewer.page.reload();
      await viewer.live();
      await viewer.sees(`number ${from + 49}.`);
      await viewer.page.waitForTimeout(600);
      const lines = await viewer.lines();
      for (let n = from; n < from + 50; n += 1) check(count(lines, `number ${n}.`) === 1, `After a reload, line "number ${n}." stands there ${count(lines, `number ${n}.`)} times.`);
    }
  },

  'figures come in': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    const figures = viewer.page.locator('.figures');
    await until('there are figures', async () => /CPU[\s\S]*%/.test(await figures.innerText()));
    await until('the uptime counts', async () => /Uptime\s*[1-9]/.test(await figures.innerText()));
    check((await figures.innerText()).includes('not measured'), 'A plain process’s network can’t be measured, and the page does not say so.');
    check((await figures.locator('[role=img][aria-label*="CPU"]').count()) === 1, 'The graph of the CPU has no words for who can’t see it.');
  },

  'output is searched with Ctrl+F': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    await viewer.type('help');
    await viewer.sees('words: help, colours');
    await viewer.page.keyboard.press('Control+f');
    await viewer.page.keyboard.type('words: help');
    await until('a match is counted', async () => /\d+ of \d+/.test(await viewer.page.locator('#search-words').innerText()) || /\d+ lines/.test(await viewer.page.locator('#search-words').innerText()));
    await viewer.page.keyboard.press('Escape');
    check((await viewer.page.locator('#search').count()) === 0, 'Escape does not close the search.');
  },

  'a server’s hostile escapes do nothing': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const { page } = viewer;
    await viewer.openServer(world.server);
    const dialogs = [];
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    const title = await page.title();
    await viewer.type('help');
    await viewer.sees('words: help, colours');
    await page.evaluate(() => navigator.clipboard.writeText('untouched'));
    await viewer.type('hostile');
    await page.waitForTimeout(1500);
    check((await page.evaluate(() => navigator.clipboard.readText())) === 'untouched', 'The server’s output changed the clipboard.');
    check((await page.title()) === title, `The server’s output changed the title to "${await page.title()}".`);
    check(dialogs.length === 0, `The server’s output opened a dialog: ${dialogs}`);
    check((await page.locator('.terminal img, .terminal script, .terminal a').count()) === 0, 'The server’s output made elements of its own.');
    const lines = await viewer.lines();
    const at = lines.findLastIndex((line) => /^read \d+: <hostile>$/.test(line));
    check(at >= 0, 'The lines before the hostile ones are gone.');
    const after = lines.slice(at + 1);
    const expected = ['beforelink', 'queries', 'forgedovertop', '<img src=x onerror="document.title=String(1)"><script>document.title=2</script>', 'singlecharacters', 'after the storm'];
    expected.forEach((line, i) => check(after[i] === line, `Hostile line ${i + 1} shows as ${JSON.stringify(after[i])} instead of ${JSON.stringify(line)}.`));
    check(lines.slice(0, at).some((line) => line.includes('words: help, colours')), 'Lines before the hostile ones were erased.');
    const reads = after.filter((line) => line.startsWith('read '));
    check(reads.length === 0, `The terminal typed back at the server: ${reads}`);
    await viewer.type('help');
    await viewer.sees('words: help');
    check((await viewer.lines()).some((line) => /^read \d+: <help>$/.test(line)), 'After the hostile lines, a command does not arrive as it was typed.');
  },
};
