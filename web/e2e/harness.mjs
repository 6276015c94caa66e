// The browser, and the few things that every story does on a page. Waits say what they wait for.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

/** A failure in words; anything else that is thrown is a mistake in the story. */
export class Failure extends Error {}

export function check(condition, sentence) {
  if (!condition) throw new Failure(sentence);
}

/** Asks until the answer is truthy. */
export async function until(sentence, ask, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    last = await ask();
    if (last) return last;
    if (Date.now() > end) throw new Failure(`Waited ${seconds} s in vain: ${sentence}`);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

export async function openBrowser() {
  const path = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((one) => one && existsSync(one));
  if (!path) {
    console.error('No browser found. On Debian: apt-get install chromium; or set CHROMIUM to one.');
    process.exit(2);
  }
  // A page that came out of a folder may not speak to this machine otherwise.
  const local = process.env.DIST ? ['--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests'] : [];
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', ...local] });
}

/** Has the browser's processes stand still, as those of a machine that sleeps do. Nothing may be asked of a page meanwhile. */
export async function sleepFor(seconds) {
  const parents = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)) {
    try {
      // The name in brackets may hold anything; the parent is the second word behind it.
      parents.set(pid, Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBrowsers = (pid) => pid > 1 && (parents.get(pid) === process.pid || isBrowsers(parents.get(pid) ?? 0));
  const all = [...parents.keys()].filter(isBrowsers);
  check(all.length > 1, 'The browser has no processes.');
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  try {
    await new Promise((done) => setTimeout(done, seconds * 1000));
  } finally {
    for (const pid of all) process.kill(pid, 'SIGCONT');
  }
}

/** A page with the words of this console. */
export class Viewer {
  constructor(page, base) {
    this.page = page;
    this.base = base;
    this.errors = [];
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (message) => {
      // Refused requests show up here too, and are part of some stories.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource') && !message.text().startsWith('WebSocket connection')) this.errors.push(message.text());
    });
  }

  async signIn(user, password) {
    await this.page.goto(this.base);
    await this.page.fill('#user', user);
    await this.page.fill('#password', password);
    await this.page.click('button[type=submit]');
    await until(`${user} is signed in`, () => this.page.locator('nav').count());
  }

  async open(path) {
    await this.page.goto(this.base + path);
    await this.page.locator('h1').first().waitFor();
  }

  async openServer(id) {
    await this.open(`/server/${id}`);
    await this.live();
  }

  phase() {
    return this.page.locator('[data-phase]').first().getAttribute('data-phase');
  }

  async live() {
    await until('the connection says "Live"', async () => (await this.phase()) === 'live', 15);
  }

  /** The server's state as the page says it. */
  state() {
    return this.page.locator('.title .badge').innerText().then((text) => text.trim());
  }

  async becomes(state, seconds = 15) {
    await until(`the page says "${state}"`, async () => (await this.state()) === state, seconds);
  }

  power(action) {
    return this.page.click(`[data-power=${action}]`);
  }

  async type(command) {
    await this.page.fill('#command', command);
    await this.page.press('#command', 'Enter');
    await until('the line was taken', async () => (await this.page.inputValue('#command')) === '');
  }

  /** All that can be scrolled to, through the copy button, as a person would take it. */
  async lines() {
    const notes = this.page.locator('.said');
    await this.page.evaluate(() => getSelection()?.removeAllRanges());
    await this.page.click('button[title^="Copy"]');
    await until('the copy button says that it copied', async () => (await notes.innerText()).includes('copied'));
    return (await this.page.evaluate(() => navigator.clipboard.readText())).split('\n').map((line) => line.trimEnd());
  }

  /** The rows in sight, as they are drawn. */
  rows() {
    return this.page.locator('.xterm-rows').first().locator('> div').evaluateAll((rows) => rows.map((row) => row.textContent.trimEnd()));
  }

  /** Looks at each frame that is drawn from now on: which first rows were seen, and how many frames were empty. */
  async watchFrames() {
    await this.page.evaluate(() => {
      const seen = { first: new Set(), empty: 0 };
      globalThis.framesSeen = seen;
      const look = () => {
        if (globalThis.framesSeen !== seen) return;
        // While the terminal writes itself anew, a still picture stands before it.
        const drawn = document.querySelector('.console-cover .xterm-rows') ?? document.querySelector('.xterm-rows');
        const rows = [...drawn.children].map((row) => row.textContent.trimEnd());
        seen.first.add(rows[0]);
        if (rows.every((row) => row === '')) seen.empty += 1;
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
  }

  async framesSeen() {
    return this.page.evaluate(() => {
      const { first, empty } = globalThis.framesSeen;
      globalThis.framesSeen = undefined;
      return { first: [...first], empty };
    });
  }

  /** Scrolls with the keys that a person would press in the output. */
  async press(key) {
    await this.page.locator('.xterm-helper-textarea').focus();
    await this.page.keyboard.press(key);
  }

  async sees(text, seconds = 10) {
    await until(`the terminal shows "${text}"`, async () => (await this.lines()).some((line) => line.includes(text)), seconds);
  }

  /** Accessibility errors of this page, one sentence each. */
  async axe() {
    await this.page.evaluate(readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8'));
    const found = await this.page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    return found.violations.map((rule) => `${rule.id}: ${rule.help}; ${rule.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} ${node.failureSummary?.split('\n')[1]?.trim() ?? ''}`).join(' | ')}`);
  }

  /** How far the page is wider than its window, in pixels. */
  overflow() {
    return this.page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - document.documentElement.clientWidth);
  }
}
