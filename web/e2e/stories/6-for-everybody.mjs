import { check } from '../harness.mjs';

/** Every page, in both themes and on the narrowest phone: accessible, and nothing to scroll sideways. */
async function walk(world, how) {
  await world.running();
  const stranger = await world.viewer({ who: null, ...how });
  await stranger.open('/');
  const viewer = await world.viewer(how);
  const pages = [
    ['sign in', stranger, null],
    ['the list', viewer, '/'],
    ['a server', viewer, `/server/${world.server}`],
    ['a server that is not there', viewer, '/server/not-there'],
    ['live consoles', viewer, '/admin/sockets'],
    ['the audit', viewer, '/admin/audit'],
    ['an address that leads nowhere', viewer, '/nowhere'],
  ];
  for (const [name, who, path] of pages) {
    if (path !== null) await who.open(path);
    if (name === 'a server') {
      await who.live();
      await who.type('colours');
    }
    await who.page.waitForTimeout(900);
    const found = await who.axe();
    check(found.length === 0, `On the page "${name}", axe finds:\n${found.join('\n')}`);
    const over = await who.overflow();
    check(over <= 0, `The page "${name}" is ${over} px wider than its window.`);
  }
  await viewer.openServer(world.server);
  await viewer.power('kill');
  await viewer.page.locator('dialog[open]').waitFor();
  const found = await viewer.axe();
  check(found.length === 0, `On the question before a kill, axe finds:\n${found.join('\n')}`);
  await viewer.page.keyboard.press('Escape');
}

export const stories = {
  'every page is accessible in the light theme': (world) => walk(world, { dark: false }),
  'every page is accessible in the dark theme': (world) => walk(world, { dark: true }),
  'every page fits 320 px, light': (world) => walk(world, { narrow: true, dark: false }),
  'every page fits 320 px, dark': (world) => walk(world, { narrow: true, dark: true }),

  'the console can be used by keyboard alone': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    const { page } = viewer;
    await viewer.openServer(world.server);
    await page.keyboard.press('Tab');
    check((await page.evaluate(() => document.activeElement?.textContent)) === 'Skip to the content', 'The first stop is not the skip link.');
    await page.keyboard.press('Enter');
    check((await page.evaluate(() => document.activeElement?.id)) === 'main', 'The skip link does not lead to the content.');
    const stops = [];
    for (let i = 0; i < 25; i += 1) {
      await page.keyboard.press('Tab');
      const stop = await page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute('data-power') || document.activeElement?.className || '');
      stops.push(stop);
      if (stop === 'command') break;
    }
    check(stops.includes('kill'), `Tab does not reach the power buttons: ${stops.join(', ')}`);
    check(stops.some((stop) => stop.includes('xterm')), `Tab does not reach the output: ${stops.join(', ')}`);
    check(stops.at(-1) === 'command', `Tab does not get past the terminal to the command line: ${stops.join(', ')}`);
    await page.keyboard.type('help');
    await page.keyboard.press('Enter');
    await viewer.sees('words: help');
  },

  'a theme chosen by hand stays': async (world) => {
    const viewer = await world.viewer({ dark: true });
    const { page } = viewer;
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await ground();
    await page.getByRole('button', { name: /Colours/ }).click();
    const light = await ground();
    check(light !== dark, 'Choosing the light theme changes nothing.');
    await page.reload();
    await page.locator('nav').waitFor();
    check((await ground()) === light, 'The chosen theme is gone after a reload.');
  },
};
