// roost.v1 as a person sees it: nothing lost, nothing twice, all of the history, who is there.
import { createServer, connect } from 'node:net';
import { check, sleepFor, until } from '../harness.mjs';

/** Numbers that no other story uses. */
const fresh = () => Number(String(Date.now()).slice(-6)) * 100;
const numbers = (lines) => lines.flatMap((line) => /^number (\d+)\.$/.exec(line)?.[1] ?? []).map(Number);

/** That all numbers stand there, in order, each once. */
function complete(lines, from, to) {
  const seen = numbers(lines).filter((n) => n >= from && n <= to);
  const missing = Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((n) => !seen.includes(n));
  check(missing.length === 0, `Lost: ${missing.length} of ${to - from + 1} lines, the first is ${missing[0] - from + 1}.`);
  check(seen.length === to - from + 1, `Doubled: ${seen.length - (to - from + 1)} lines.`);
  check(seen.every((n, i) => n === from + i), 'The lines are out of order.');
}

/** Scrolls up until a line is loaded, as a person would. */
async function scrollUpTo(viewer, text, seconds) {
  await until(
    `scrolling up loads "${text}"`,
    async () => {
      await viewer.press('Home');
      await viewer.page.waitForTimeout(120);
      return (await viewer.lines()).some((line) => line.includes(text));
    },
    seconds,
  );
}

/** A wire between pages and the node, which can change the head of what a page sends and fall silent. */
class Wire {
  #node;
  #server;
  #ends = [];

  static async to(world, change = (head) => head) {
    const wire = new Wire();
    wire.#node = new URL(world.base);
    wire.#server = createServer((page) => {
      const far = connect(Number(wire.#node.port), wire.#node.hostname);
      page.once('data', (head) => {
        far.write(change(head.toString('latin1')), 'latin1');
        page.pipe(far);
      });
      far.pipe(page);
      wire.#ends.push([page, far]);
      for (const end of [page, far]) end.on('error', () => [page, far].forEach((one) => one.destroy()));
    });
    await new Promise((done) => wire.#server.listen(0, '127.0.0.1', done));
    return wire;
  }

  /** Has a page take this wire to the node. */
  lead({ page }) {
    return page.route('**/websocket', async (route) => {
      const answer = await route.fetch();
      const body = await answer.json();
      const socket = body.socket.replace(this.#node.host, `127.0.0.1:${this.#server.address().port}`);
      await route.fulfill({ response: answer, json: { ...body, socket } });
    });
  }

  /** From now on nothing passes on the connections that there are, and no end is told. New ones work. */
  fallSilent() {
    for (const [page, far] of this.#ends) {
      for (const [from, to] of [[page, far], [far, page]]) from.unpipe(to).pause();
    }
  }

  close() {
    for (const end of this.#ends.flat()) end.destroy();
    this.#server.close();
  }
}

export const stories = {
  'the node is killed while lines flow; the terminal goes on, nothing lost, nothing twice': async (world) => {
    if (!world.hasSwitch) return console.log('        (left out: Roost can’t be switched off from here)');
    await world.running();
    const viewer = await world.viewer();
    const other = await world.viewer({ narrow: true });
    await viewer.openServer(world.server);
    await other.openServer(world.server);
    const from = fresh();
    const to = from + 1499;
    await viewer.type(`flow ${from} ${to}`);
    // One of them reads further up meanwhile.
    await other.sees(`number ${from + 90}.`, 20);
    for (let i = 0; i < 2; i += 1) await other.press('PageUp');
    const read = await other.rows();
    await viewer.watchFrames();
    for (let round = 0; round < 3; round += 1) {
      await viewer.sees(`number ${from + 100 + round * 300}.`, 20);
      const before = await viewer.rows();
      await world.turn('kill');
      await until('the page says that it reconnects', async () => (await viewer.phase()) === 'waiting');
      check((await viewer.rows()).some((row) => before.includes(row) && row.startsWith('number')), 'The terminal was cleared.');
      await world.turn('up');
      await viewer.live();
    }
    await viewer.sees(`number ${to}.`, 40);
    check((await viewer.framesSeen()).empty === 0, 'The terminal flickered.');
    await other.live();
    await other.sees(`number ${to}.`, 40);
    check((await other.rows()).join('\n') === read.join('\n'), 'The restart moved the view of who reads further up.');
    await other.page.getByRole('button', { name: /Jump to latest/ }).click();
    await until('the newest line is in sight', async () => (await other.rows()).some((row) => row === `number ${to}.`));
    for (const one of [viewer, other]) {
      const lines = await one.lines();
      complete(lines, from, to);
      check(!lines.some((line) => line.startsWith('Gap')), 'A gap is shown where nothing is missing.');
      check(!lines.some((line) => line.includes('Connection lost')), 'The restart left a trace among the lines.');
    }
    await viewer.page.reload();
    await viewer.live();
    await viewer.sees(`number ${to}.`);
    complete(await viewer.lines(), to - 400, to);
  },

  'a laptop sleeps while lines flow; it wakes where it was, nothing lost, nothing twice': async (world) => {
    await world.running();
    const wire = await Wire.to(world);
    try {
      const viewer = await world.viewer();
      await wire.lead(viewer);
      await viewer.openServer(world.server);
      const from = fresh();
      const to = from + 999;
      await viewer.type(`flow ${from} ${to}`);
      await viewer.sees(`number ${from + 100}.`, 20);
      await viewer.watchFrames();
      // Asleep: the page stands still, and the network goes without a word.
      wire.fallSilent();
      await sleepFor(14);
      await viewer.sees(`number ${to}.`, 25);
      check((await viewer.phase()) === 'live', 'The connection is not live.');
      check((await viewer.framesSeen()).empty === 0, 'The terminal flickered.');
      const lines = await viewer.lines();
      complete(lines, from, to);
      check(!lines.some((line) => line.startsWith('Gap')), 'A gap is shown where nothing is missing.');
    } finally {
      wire.close();
    }
  },

  'a network that is lost without a word is noticed, and nothing is lost or twice': async (world) => {
    await world.running();
    const wire = await Wire.to(world);
    try {
      const viewer = await world.viewer();
      await wire.lead(viewer);
      await viewer.openServer(world.server);
      const from = fresh();
      await viewer.type(`count ${from} ${from + 99}`);
      await viewer.sees(`number ${from + 99}.`);
      wire.fallSilent();
      await world.call('post', `/api/client/servers/${world.server}/command`, { command: `count ${from + 100} ${from + 199}` });
      await viewer.page.context().setOffline(true);
      await viewer.page.waitForTimeout(11_000);
      await viewer.page.context().setOffline(false);
      await viewer.sees(`number ${from + 199}.`, 25);
      complete(await viewer.lines(), from, from + 199);
    } finally {
      wire.close();
    }
  },

  'scrolling up reads all of the history, and the reader’s line stays where it is': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    const from = fresh();
    await viewer.type(`count ${from} ${from + 5499}`);
    await viewer.sees(`number ${from + 5499}.`, 30);
    await viewer.page.reload();
    await viewer.live();
    await viewer.sees(`number ${from + 5499}.`);
    check(numbers(await viewer.lines())[0] > from + 4900, 'The page began with far more than a few screens.');

    // The uppermost line in sight before older ones come is the uppermost one after.
    const [newest] = await viewer.rows();
    await viewer.watchFrames();
    await viewer.press('Home');
    await until('older lines are above', async () => numbers(await viewer.lines())[0] < from + 4500);
    const [top] = await viewer.rows();
    const { first, empty } = await viewer.framesSeen();
    check(first.every((row) => row === newest || row === top) && empty === 0, `While older lines came, the reader’s line moved: ${first.join(', ')}.`);
    check(Number(/\d+/.exec(top)[0]) < from + 5020, 'The key did not lead to the upper end of what was there.');

    await scrollUpTo(viewer, `number ${from}.`, 60);
    complete(await viewer.lines(), from, from + 5499);

    // Lines that come meanwhile move nothing, and are counted.
    const still = await viewer.rows();
    await world.call('post', `/api/client/servers/${world.server}/command`, { command: `count ${from + 5500} ${from + 5509}` });
    const button = viewer.page.getByRole('button', { name: /Jump to latest/ });
    await until('the new lines are counted', async () => (await button.innerText()).includes('11 new'));
    check((await viewer.rows()).join('\n') === still.join('\n'), 'A new line moved the view of who reads further up.');
    await button.click();
    await until('the newest line is in sight', async () => (await viewer.rows()).some((row) => row === `number ${from + 5509}.`));
    check((await button.count()) === 0, 'At the newest line there is still a button that leads there.');
    complete(await viewer.lines(), from, from + 5509);

    await scrollUpTo(viewer, 'beginning of the history', 60);
  },

  'more history than the page keeps: the newest lines make room and come back with the button': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    const from = fresh();
    await viewer.type(`count ${from} ${from + 23999}`);
    await viewer.sees(`number ${from + 23999}.`, 60);
    await scrollUpTo(viewer, `number ${from + 1000}.`, 120);
    const kept = numbers(await viewer.lines());
    complete(await viewer.lines(), from + 1000, from + 15000);
    check(kept.length <= 20_000, `The page keeps ${kept.length} lines.`);
    check(!kept.includes(from + 23999), 'The page keeps more than it says.');
    check((await viewer.lines()).some((line) => line.includes('Newer lines are not loaded here')), 'Nothing says that newer lines are not loaded.');
    await viewer.page.getByRole('button', { name: /Jump to latest/ }).click();
    await until('the newest line is in sight', async () => (await viewer.rows()).some((row) => row === `number ${from + 23999}.`));
    await viewer.type(`count ${from + 24000} ${from + 24009}`);
    await viewer.sees(`number ${from + 24009}.`);
    complete(await viewer.lines(), from + 23500, from + 24009);
  },

  'typing goes on while older lines are loaded': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    const from = fresh();
    await viewer.type(`count ${from} ${from + 2999}`);
    await viewer.sees(`number ${from + 2999}.`, 30);
    await viewer.page.reload();
    await viewer.live();
    await viewer.sees(`number ${from + 2999}.`);
    await viewer.page.focus('#command');
    for (let i = 0; i < 40; i += 1) await viewer.page.keyboard.press('PageUp');
    await viewer.page.keyboard.type('help');
    check((await viewer.page.inputValue('#command')) === 'help', 'The command line lost letters.');
    await viewer.page.keyboard.press('Enter');
    await until('the command line is free', async () => (await viewer.page.inputValue('#command')) === '');
    await viewer.sees('words: help');
    await until('the older lines are there', async () => numbers(await viewer.lines()).includes(from + 2000));
    complete(await viewer.lines(), from + 2000, from + 2999);
  },

  'who watches and who typed what': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    const watchers = viewer.page.locator('.watchers');
    await until('one is alone', async () => (await watchers.innerText()).includes('Only you'));
    const twin = await world.viewer();
    await twin.openServer(world.server);
    const watcher = await world.viewer({ who: world.watcher });
    await watcher.openServer(world.server);
    await until('two people watch', async () => (await watchers.innerText()).includes('2 watching'), 5);
    await watchers.getByRole('button').hover();
    await until('their names are shown', async () => {
      const text = await watchers.locator('ul').innerText();
      return text.includes(`${world.admin.user} (you), 2 windows`) && text.includes(world.watcher.user);
    });
    const found = await viewer.axe();
    check(found.length === 0, `With the names open, axe finds:\n${found.join('\n')}`);
    const word = `help ${fresh()}`;
    await viewer.type(word);
    const typed = `> ${world.admin.user}: ${word}`;
    for (const one of [viewer, twin]) {
      await one.sees(`<${word}>`);
      const lines = await one.lines();
      check(lines.filter((line) => line === typed).length === 1, `What was typed stands there ${lines.filter((line) => line === typed).length} times.`);
      check(lines.indexOf(typed) < lines.findIndex((line) => line.includes(`<${word}>`)), 'What was typed stands behind its answer.');
    }
    await watcher.sees(`<${word}>`);
    check(!(await watcher.lines()).includes(typed), 'Who may not type reads what others typed.');
    await twin.page.context().close();
    await until('the window that was closed is gone from the list', async () => !(await watchers.locator('ul').innerText()).includes('windows'), 5);
  },

  'times stand before the lines when they are wanted, also after a reload': async (world) => {
    await world.running();
    const viewer = await world.viewer();
    await viewer.openServer(world.server);
    const word = `help ${fresh()}`;
    await viewer.type(word);
    await viewer.sees(`<${word}>`);
    const line = async () => (await viewer.lines()).find((one) => one.includes(`<${word}>`)) ?? '';
    check(/^read/.test(await line()), 'Times are shown though nobody asked for them.');
    const toggle = viewer.page.getByRole('button', { name: 'Times before the lines' });
    await toggle.click();
    await until('times are shown', async () => /^\d\d:\d\d:\d\d read/.test(await line()));
    const lines = await viewer.lines();
    await viewer.page.reload();
    await viewer.live();
    await until('the reload shows the same time', async () => lines.includes(await line()));
    await toggle.click();
    await until('times are gone', async () => /^read/.test(await line()));
  },

  'a stock node, which leaves the offer unanswered, is spoken to in the classic protocol': async (world) => {
    await world.running();
    // A wire to the node that loses the offer on the way, as a node that does not know it would.
    const wire = await Wire.to(world, (head) => head.replace(/^sec-websocket-protocol:.*\r\n/im, ''));
    try {
      const viewer = await world.viewer();
      await wire.lead(viewer);
      await viewer.openServer(world.server);
      check((await viewer.page.locator('.watchers').count()) === 0, 'A classic node can’t say who watches.');
      const from = fresh();
      await viewer.type(`count ${from} ${from + 99}`);
      await viewer.sees(`number ${from + 99}.`);
      await viewer.page.reload();
      await viewer.live();
      await viewer.sees(`number ${from + 99}.`);
      complete(await viewer.lines(), from, from + 99);
      await viewer.power('stop');
      await viewer.becomes('offline');
      await viewer.type('help');
      await until('the node says why the command was not sent', async () => (await viewer.page.locator('.notice').count()) > 0);
    } finally {
      wire.close();
    }
  },
};
