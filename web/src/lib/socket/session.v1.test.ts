import { beforeEach, describe, expect, test } from 'vitest';
import { settle } from './clock';
import { World, granted, line, range } from './session.world';

let world: World;
beforeEach(() => (world = new World()));

/** Lines as `roost.v1` sends them. */
const block = (from: number, to: number, source = 'output') => ({ source, seq: from, lines: range(from, to).map((text, i) => [1_700_000_000_000 + i, text]) });
const STREAM = 'aaaaaaaa-0000-4000-8000-000000000000';
const OTHER = 'bbbbbbbb-0000-4000-8000-000000000000';

/** A node that answers the offer. */
async function numbered(next: number, stream = STREAM) {
  world.socket.protocol = 'roost.v1';
  world.socket.onopen?.();
  world.socket.says('auth success', { stream, next, socket: 'x' });
  world.socket.says('status', 'running');
  await settle();
}
async function startNumbered(next: number) {
  world.session.start();
  await settle();
  await numbered(next);
}
async function comeBack(next: number, stream = STREAM) {
  await world.cut(1006);
  await world.clock.advance(1_000);
  await numbered(next, stream);
}

describe('which protocol is spoken', () => {
  test('roost.v1 is offered, and spoken where the node names it', async () => {
    await startNumbered(1);
    expect(world.socket.offered).toEqual(['roost.v1']);
    expect(world.socket.sent).toEqual([{ event: 'auth', args: ['token 1', { last: 500 }] }]);
    expect(world.pager).not.toBeNull();
    expect(world.now.phase).toBe('live');
  });

  test('a node that opens without naming it is a classic one', async () => {
    await world.live(...range(1, 3));
    expect(world.socket.offered).toEqual(['roost.v1']);
    expect(world.socket.sent[0]).toEqual({ event: 'auth', args: ['token 1'] });
    expect(world.pager).toBeNull();
    expect(world.screen).toEqual(range(1, 3));
  });

  test('where the browser gives the socket up for that, it is opened once more without an offer, with the same token', async () => {
    world.session.start();
    await settle();
    await world.cut(1006);
    expect(world.sockets.map((socket) => socket.offered)).toEqual([['roost.v1'], []]);
    expect(world.connections.map((c) => c.phase)).toEqual(['connecting']);
    await world.accept(...range(1, 3));
    expect([world.asked, world.screen.length]).toEqual([1, 3]);
    await world.cut(1006);
    await world.clock.advance(1_000);
    expect(world.socket.offered).toEqual([]);
  });

  test('a node that can’t be reached is asked for roost.v1 again', async () => {
    world.session.start();
    await settle();
    await world.cut(1006);
    await world.cut(1006);
    expect(world.now).toMatchObject({ phase: 'waiting', reason: 'the node cannot be reached at node.test' });
    await world.clock.advance(1_000);
    expect(world.socket.offered).toEqual(['roost.v1']);
  });

  test('a node that has spoken it once is never asked for less', async () => {
    await startNumbered(1);
    await world.cut(1006);
    await world.clock.advance(1_000);
    await world.cut(1006);
    expect(world.now.phase).toBe('waiting');
    expect(world.sockets.map((socket) => socket.offered)).toEqual([['roost.v1'], ['roost.v1']]);
  });

  test('a server that moved to a classic node begins anew', async () => {
    await startNumbered(4);
    world.socket.says('lines', block(1, 3));
    world.answers = [granted('t', 'ws://stock.test/ws')];
    await world.cut(1006);
    await world.clock.advance(1_000);
    await world.accept(...range(2, 5));
    expect(world.screen).toEqual(range(2, 5));
    expect(world.pager).toBeNull();
  });
});

describe('roost.v1: lines', () => {
  test('a lost connection goes on behind the last line, nothing is cleared or doubled', async () => {
    await startNumbered(501);
    world.socket.says('lines', block(1, 500));
    world.socket.says('lines', block(501, 510));
    await comeBack(521);
    expect(world.socket.sent[0]).toEqual({ event: 'auth', args: ['token 2', { stream: STREAM, after: 510, most: 5_000 }] });
    // Lines that it has already are a node's mistake, and cost nothing.
    world.socket.says('lines', block(505, 520));
    world.socket.says('lines', block(521, 521));
    expect(world.screen).toEqual(range(1, 521));
    expect(world.notices).toEqual([]);
  });

  test('cut before a line came, it begins with the last ones again', async () => {
    await startNumbered(501);
    await comeBack(501);
    expect(world.socket.sent[0]?.args[1]).toEqual({ last: 500 });
  });

  test('numbers that are passed over are no gap, and the place moves on', async () => {
    await startNumbered(1);
    world.socket.says('lines', block(1, 2));
    world.socket.says('lines', block(40, 41, 'daemon'));
    await comeBack(42);
    expect(world.socket.sent[0]?.args[1]).toMatchObject({ after: 41 });
    expect(world.screen).toEqual([...range(1, 2), ...range(40, 41)]);
  });

  test('gaps stand in their place and are passed with the next resume', async () => {
    await startNumbered(1);
    world.socket.says('lines', block(1, 10));
    world.socket.says('gap', { after: 10, count: 40, reason: 'retention' });
    expect(world.screen.at(-1)).toBe('<40 retention>');
    await comeBack(51);
    expect(world.socket.sent[0]?.args[1]).toMatchObject({ after: 50 });
    world.socket.says('gap', { after: 10, count: 40, reason: 'retention' });
    world.socket.says('gap', { after: 45, count: 10, reason: 'disk' });
    world.socket.says('lines', block(56, 57));
    expect(world.screen).toEqual([...range(1, 10), '<40 retention>', '<5 disk>', ...range(56, 57)]);
  });

  test.each(['unknown_stream', 'after_end'])('"%s": what was shown is forgotten, once', async (reason) => {
    await startNumbered(1);
    world.socket.says('lines', block(1, 10));
    await comeBack(4, reason === 'unknown_stream' ? OTHER : STREAM);
    world.socket.says('gap', { after: 10, count: null, reason });
    world.socket.says('lines', block(1, 3));
    expect(world.screen).toEqual(range(1, 3));
    await comeBack(4, reason === 'unknown_stream' ? OTHER : STREAM);
    expect(world.socket.sent[0]?.args[1]).toMatchObject({ stream: reason === 'unknown_stream' ? OTHER : STREAM, after: 3 });
  });

  test('a refreshed token leaves the place alone', async () => {
    await startNumbered(1);
    world.socket.says('lines', block(1, 3));
    world.socket.says('token expiring');
    await settle();
    world.socket.says('auth success', { stream: STREAM, next: 4, socket: 'x' });
    world.socket.says('lines', block(4, 4));
    expect(world.socket.sent.at(-1)).toEqual({ event: 'auth', args: ['token 2'] });
    expect(world.screen).toEqual(range(1, 4));
  });

  test('nonsense is skipped', async () => {
    await startNumbered(1);
    for (const args of [[], [null], [{ source: 'output', seq: -1, lines: [] }], [{ source: 'x', seq: 1, lines: [] }], [{ source: 'output', seq: 1 }], ['text']]) world.socket.says('lines', ...args);
    for (const event of ['gap', 'page', 'presence', 'typed', 'accepted', 'dance']) world.socket.says(event, { a: 1 });
    world.socket.says('lines', { source: 'output', seq: 1, lines: [[5, 'a', 2], [6], 'b'] });
    expect(world.screen).toEqual(['a', '', '']);
    expect(world.now.phase).toBe('live');
  });
});

describe('roost.v1: requests', () => {
  test('each answer finds its command', async () => {
    await startNumbered(1);
    const first = world.session.command('list');
    const second = world.session.command('fly');
    expect(world.socket.sent.slice(1)).toEqual([
      { event: 'send command', args: ['list', 1] },
      { event: 'send command', args: ['fly', 2] },
    ]);
    world.socket.says('refused', 2, { code: 'offline', reason: 'The server is offline.' });
    world.socket.says('accepted', 1, { after: 3 });
    expect(await first).toBeNull();
    expect(await second).toBe('Not done. The server is offline.');
    expect(world.notices).toEqual([]);
  });

  test('without an answer nobody is told that it was done', async () => {
    await startNumbered(1);
    const answer = world.session.power('stop');
    await world.cut(1006);
    expect(await answer).toContain('lost before the node answered');
  });

  test('a refusal of nothing that was asked is a notice', async () => {
    await startNumbered(1);
    world.socket.says('refused', null, { code: 'limit', reason: 'Too many messages.' });
    expect(world.notices).toEqual([{ kind: 'error', text: 'Not done. Too many messages.' }]);
  });

  test('pages are asked for one at a time', async () => {
    await startNumbered(1_001);
    const first = world.pager?.({ before: 1_001 }, 500);
    const second = world.pager?.({ before: 501 }, 500);
    await settle();
    const asked = () => world.socket.sent.filter(({ event }) => event === 'send page');
    expect(asked()).toEqual([{ event: 'send page', args: [{ before: 1_001, lines: 500 }, 1] }]);
    world.socket.says('page', 1, { from: 501, begin: false, gap: null, blocks: [block(501, 700), block(701, 1_000)] });
    const page = await first;
    if (typeof page !== 'object') throw new Error(page);
    expect([page.from, page.begin, page.gone, page.lines.length, page.lines[0]?.seq]).toEqual([501, false, 0, 500, 501]);
    await settle();
    expect(asked()).toHaveLength(2);
    world.socket.says('page', 2, { from: 41, next: 501, begin: true, gap: { after: 0, count: 40, reason: 'retention' }, blocks: [] });
    expect(await second).toEqual({ from: 41, next: 501, begin: true, gone: 40, lines: [] });
  });

  test('a page that is refused or cut off says why', async () => {
    await startNumbered(1_001);
    const refused = world.pager?.({ before: 1_001 }, 500);
    await settle();
    world.socket.says('refused', 1, { code: 'busy', reason: 'Ask again.' });
    expect(await refused).toContain('Ask again.');
    const cut = world.pager?.({ before: 1_001 }, 500);
    await settle();
    await world.cut(1006);
    expect(await cut).toBe('The connection was lost.');
    expect(await world.pager?.({ before: 1 }, 1)).toBe('The console is not connected.');
  });

  test('a search is asked for by its name, and another one ends it', async () => {
    await startNumbered(1_001);
    const query = { text: 'timed out', regex: false, exact: false };
    const first = world.searcher?.find(query);
    const second = world.searcher?.find({ ...query, regex: true, exact: true }, 90);
    const asked = world.socket.sent.filter(({ event }) => event === 'send search');
    expect(asked.map(({ args }) => args)).toEqual([
      [{ text: 'timed out', case: false, most: 100 }, 1],
      [{ regex: 'timed out', case: true, most: 100, before: 90 }, 2],
    ]);
    world.socket.says('refused', 1, { code: 'cancelled', reason: 'Another search has begun.' });
    expect(await first).toBe('Another search has begun.');
    const lines = [{ seq: 70, time: 5, source: 'output', text: ['ada ', 'timed out', ''] }];
    world.socket.says('found', 2, { from: 60, next: 90, first: 1, begin: false, lines });
    expect(await second).toEqual({ from: 60, next: 90, first: 1, begin: false, lines });
    const cut = world.searcher?.find(query);
    await world.cut(1006);
    expect(await cut).toBe('The connection was lost.');
    expect(await world.searcher?.find(query)).toBe('The console is not connected.');
  });

  test('who is there and who typed what, once', async () => {
    await startNumbered(1);
    const typed = { user: 'anna', text: 'save-all', time: 5 };
    world.socket.says('presence', { sockets: 3, users: [{ user: 'anna', sockets: 2 }, { user: 'ben', sockets: 1 }] });
    world.socket.says('lines', block(1, 1));
    world.socket.says('typed', typed);
    expect(world.presence?.users.map((one) => one.user)).toEqual(['anna', 'ben']);
    await comeBack(2);
    expect(world.presence).toBeNull();
    world.socket.says('typed', typed);
    world.socket.says('typed', { ...typed, time: 6 });
    expect(world.screen).toEqual([line(1), '> anna: save-all', '> anna: save-all']);
  });
});
