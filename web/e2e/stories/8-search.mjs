// Looking for a line in the whole history: found, shown in its place, and the way back to the newest one.
import { check, until } from '../harness.mjs';

const fresh = () => Number(String(Date.now()).slice(-6)) * 100;
const numbers = (lines) => lines.flatMap((line) => /^number (\d+)\.$/.exec(line)?.[1] ?? []).map(Number);
const words = (viewer) => viewer.page.locator('#search-words').innerText();

/** Opens the panel and types. */
async function search(viewer, text) {
  await viewer.page.keyboard.press('Control+f');
  await viewer.page.fill('#search', text);
}

/** A server with a history that is longer than what a page begins with. */
async function withHistory(world, how) {
  await world.running();
  const viewer = await world.viewer(how);
  await viewer.openServer(world.server);
  const from = fresh();
  await viewer.type(`count ${from} ${from + 7999}`);
  await viewer.sees(`number ${from + 7999}.`, 60);
  await viewer.page.reload();
  await viewer.live();
  await viewer.sees(`number ${from + 7999}.`);
  return { viewer, from };
}

export const stories = {
  'a line far back is found, shown in its place, and scrolling down leads to the newest one without a hole': async (world) => {
    const { viewer, from } = await withHistory(world);
    check(!numbers(await viewer.lines()).includes(from + 1000), 'The line was loaded before it was looked for.');
    await search(viewer, `NUMBER ${from + 1000}`);
    await until('the line is found', async () => (await words(viewer)) === '1 line', 20);
    await viewer.page.keyboard.press('Enter');
    await until('the line is in sight', async () => (await viewer.rows()).includes(`number ${from + 1000}.`), 20);
    check((await words(viewer)) === '1 of 1', 'The place among the found lines is not said.');
    check((await viewer.page.evaluate(() => document.activeElement?.id)) === 'search', 'The jump took the keys away from the field.');
    const around = numbers(await viewer.lines());
    check(around.every((n, i) => i === 0 || n === around[i - 1] + 1), 'The lines around it have a hole.');

    // Lines that come meanwhile move nothing.
    const still = await viewer.rows();
    await world.call('post', `/api/client/servers/${world.server}/command`, { command: `count ${from + 8000} ${from + 8009}` });
    await viewer.page.waitForTimeout(500);
    check((await viewer.rows()).join('\n') === still.join('\n'), 'A new line moved what was looked for.');

    check((await viewer.page.getByRole('button', { name: /Jump to latest/ }).innerText()).includes('11 new'), 'The new lines are not counted.');
    await viewer.page.press('#search', 'Escape');
    await until('Escape closes the search', async () => (await viewer.page.locator('#search').count()) === 0, 3);
    await until(
      'scrolling down leads to the newest line',
      async () => {
        await viewer.press('End');
        await viewer.page.waitForTimeout(120);
        return (await viewer.rows()).includes(`number ${from + 8009}.`);
      },
      60,
    );
    const all = numbers(await viewer.lines()).filter((n) => n >= from + 1000 && n <= from + 8009);
    check(all.length === 7010 && all.every((n, i) => n === from + 1000 + i), `On the way down lines are lost or doubled: ${all.length} of 7010.`);
    // And live goes on from there.
    await viewer.type(`count ${from + 8010} ${from + 8012}`);
    await until('live lines follow', async () => (await viewer.rows()).includes(`number ${from + 8012}.`));
    check((await viewer.page.getByRole('button', { name: /Jump to latest/ }).count()) === 0, 'At the newest line there is still a button that leads there.');
  },

  'many lines are walked through with the keys, older and newer': async (world) => {
    const { viewer, from } = await withHistory(world);
    await search(viewer, `number ${Math.floor(from / 100)}1`);
    await until('the lines are counted', async () => (await words(viewer)) === '10 lines', 20);
    const looked = () => viewer.page.locator('.found [aria-current=true] .line').innerText();
    for (const [key, last] of [['Enter', 9], ['Enter', 8], ['Enter', 7], ['Shift+Enter', 8]]) {
      await viewer.page.press('#search', key);
      await until(`${key} leads to the line`, async () => (await looked()).endsWith(`${from + 10 + last}.`));
      await until('the terminal shows it', async () => (await viewer.rows()).includes(`number ${from + 10 + last}.`), 20);
    }
    await viewer.page.locator('.found .row').nth(9).click();
    await until('a click leads there', async () => (await words(viewer)) === '10 of 10');
    await until('the terminal shows what was clicked', async () => (await viewer.rows()).includes(`number ${from + 10}.`), 20);
    await viewer.page.getByRole('button', { name: /Jump to latest/ }).click();
    await until('the newest line is in sight', async () => (await viewer.rows()).includes(`number ${from + 7999}.`));
  },

  'nothing found and a mistake in an expression are said': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    await search(viewer, 'a word that nobody ever said');
    await until('that nothing is found is said', async () => (await words(viewer)) === 'Nothing found', 20);
    await viewer.page.click('button[title^="Regular"]');
    await viewer.page.fill('#search', 'number (1');
    await until('the place of the mistake is said', async () => (await viewer.page.locator('.search [role=alert]').innerText()).includes('character 8'), 20);
    await viewer.page.fill('#search', 'number 1{5,}\\.$');
    await until('the expression is looked for', async () => /^\d+\+? lines?$/.test(await words(viewer)), 20);
  },

  'a subuser finds nothing from before his grant': async (world) => {
    await world.running();
    const viewer = await world.viewer({ who: world.watcher });
    await viewer.openServer(world.server);
    await search(viewer, 'number 111111.');
    await until('nothing is found', async () => (await words(viewer)) === 'Nothing found', 20);
  },

  'the search is usable narrow and dark, and by everybody': async (world) => {
    const { viewer, from } = await withHistory(world, { narrow: true, dark: true });
    await search(viewer, `number ${from / 100}`);
    await until('lines are found', async () => (await words(viewer)) === '100 lines', 20);
    await viewer.page.press('#search', 'Enter');
    await until('the line is in sight', async () => (await viewer.rows()).some((row) => row === `number ${from + 99}.`), 20);
    check((await viewer.overflow()) <= 0, 'The page is wider than its window.');
    const list = await viewer.page.locator('.found').boundingBox();
    check(list.height >= 90, 'The list of found lines is too low to be read.');
    const errors = await viewer.axe();
    check(errors.length === 0, errors.join('\n'));
  },
};
