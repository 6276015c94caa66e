// Takes pictures of every page, wide and narrow, light and dark, from the stub: to be looked at by a person.
//   npm run build && npm run stub &   then   node dev/shots.mjs FOLDER [NAME-PART]
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const base = process.env.BASE_URL ?? 'http://127.0.0.1:8099';
const folder = process.argv[2] ?? 'shots';
const only = process.argv[3] ?? '';
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
const stub = (path) => fetch(`${base}/stub/${path}`, { method: 'POST' });
const sizes = { wide: { width: 1360, height: 820 }, narrow: { width: 320, height: 640 } };

const pages = {
  signin: { signedOut: true, async act() {} },
  signin_limit: {
    signedOut: true,
    async act(page) {
      await stub('limit?seconds=5');
      await page.fill('#user', 'ada');
      await page.fill('#password', 'wrong');
      await page.click('button[type=submit]');
      await page.waitForTimeout(400);
      await stub('limit?seconds=0');
    },
  },
  servers: { path: '/', wait: 1500 },
  servers_empty: { path: '/', before: 'empty?on=1', after: 'empty?on=0' },
  server: { path: '/server/survival', wait: 9000, window: true },
  server_marks: {
    window: true,
    path: '/server/lobby',
    wait: 1500,
    async act(page) {
      await stub(`daemon?text=${encodeURIComponent('The command was not sent: the server is offline. Start it first.')}`);
      await stub('cut?code=1012&reason=node%20is%20restarting');
      await page.waitForTimeout(2500);
      await stub('say?text=a%20line%20after%20it');
      await page.waitForTimeout(500);
      await page.keyboard.press('Control+f');
      await page.fill('#search', 'Player');
      await page.waitForTimeout(400);
    },
  },
  server_v1: {
    window: true,
    path: '/server/lobby',
    wait: 1200,
    async act(page) {
      await stub('typed?user=grace&text=say%20hello%20everybody');
      await stub('say?text=%5BServer%5D%20hello%20everybody');
      await stub('gap?lines=40&reason=retention');
      await stub('say?text=a%20line%20after%20the%20gap');
      await page.click('button[title^="Times"]');
      await page.waitForTimeout(300);
      await page.locator('.watchers button').click();
    },
  },
  search: {
    window: true,
    path: '/server/lobby',
    wait: 1200,
    async act(page) {
      await page.keyboard.press('Control+f');
      await page.fill('#search', 'player');
      await page.waitForTimeout(1500);
      for (let i = 0; i < 3; i += 1) await page.keyboard.press('Enter');
      await page.waitForTimeout(1500);
    },
  },
  search_none: {
    window: true,
    path: '/server/lobby',
    wait: 1200,
    async act(page) {
      await page.keyboard.press('Control+f');
      await page.fill('#search', 'a word that nobody said');
      await page.waitForTimeout(1500);
    },
  },
  search_refused: {
    window: true,
    path: '/server/lobby',
    wait: 1200,
    async act(page) {
      await page.keyboard.press('Control+f');
      await page.locator('button[title^="Regular"]').click();
      await page.fill('#search', 'player (ada');
      await page.waitForTimeout(1500);
    },
  },
  server_refused: {
    path: '/server/freeciv',
    wait: 1200,
    async act(page) {
      await page.fill('#command', 'save-all');
      await page.press('#command', 'Enter');
    },
  },
  server_scrolled: {
    window: true,
    path: '/server/lobby',
    wait: 800,
    async act(page) {
      await stub('long?lines=1500');
      await page.reload();
      await page.waitForTimeout(1500);
      await page.locator('.xterm textarea').focus();
      await page.keyboard.press('Home');
      await stub('say?text=news');
      await page.waitForTimeout(150);
    },
  },
  server_beginning: {
    window: true,
    path: '/server/survival',
    wait: 1200,
    async act(page) {
      await page.locator('.xterm textarea').focus();
      await page.keyboard.press('Home');
      await page.waitForTimeout(700);
      await page.keyboard.press('Home');
    },
  },
  server_ended: {
    path: '/server/lobby',
    wait: 1200,
    async act() {
      await stub('cut?code=4400&reason=ended%20by%20an%20administrator');
    },
  },
  server_away: {
    path: '/server/lobby',
    wait: 1200,
    after: 'away?on=0',
    async act() {
      await stub('away?on=1');
      await stub('cut?code=1012&reason=node%20is%20restarting');
    },
  },
  server_kill: {
    path: '/server/survival',
    wait: 1200,
    async act(page) {
      await page.click('[data-power=kill]');
    },
  },
  server_watch: { path: '/server/watch-only', wait: 1500 },
  server_buttons: { path: '/server/buttons-only', wait: 4500 },
  server_lost: { path: '/server/lost', wait: 1200 },
  server_suspended: { path: '/server/unpaid', wait: 1200 },
  server_none: { path: '/server/nowhere' },
  sockets: { path: '/admin/sockets', wait: 600 },
  audit: { path: '/admin/audit', wait: 600 },
};

for (const [size, viewport] of Object.entries(sizes)) {
  for (const colorScheme of ['light', 'dark']) {
    for (const [name, how] of Object.entries(pages)) {
      if (!name.includes(only)) continue;
      const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: size === 'narrow' ? 2 : 1 });
      const page = await context.newPage();
      page.on('console', (message) => message.type() === 'error' && !message.text().includes('status of') && console.log(name, message.text()));
      page.on('pageerror', (error) => console.log(name, 'page error', error.message));
      await page.goto(base);
      if (!how.signedOut) {
        await page.fill('#user', 'ada');
        await page.fill('#password', 'roost');
        await page.click('button[type=submit]');
        await page.waitForSelector('nav');
        if (how.before) await stub(how.before);
        await page.goto(base + how.path);
        await page.waitForSelector('h1');
      }
      await page.waitForTimeout(how.wait ?? 300);
      await how.act?.(page);
      await page.waitForTimeout(500);
      await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}.png`, fullPage: !how.window });
      if (how.after) await stub(how.after);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > viewport.width) console.log(`${name}-${size}: ${width} px wide, the window has ${viewport.width}`);
      await context.close();
    }
  }
}
await browser.close();
