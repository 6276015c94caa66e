import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock, settle } from './clock';
import type { PowerState, Stats } from './events';
import type { Pager, Presence, Searcher } from './output';
import type { Connection, Credentials, Notice, SocketLike } from './parts';
import { ConsoleSession } from './session';

/** The node's end of a socket, moved by hand. */
class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  sent: { event: string; args: unknown[] }[] = [];
  closedWith: number | undefined;
  protocol = '';

  constructor(
    readonly url: string,
    readonly offered: string[],
  ) {}
  send(data: string) {
    this.sent.push(JSON.parse(data));
  }
  close(code?: number) {
    this.closedWith = code;
  }
  says(event: string, ...args: unknown[]) {
    this.onmessage?.({ data: JSON.stringify(args.length > 0 ? { event, args } : { event }) });
  }
  prints(...lines: string[]) {
    for (const line of lines) this.says('console output', line);
  }
  names() {
    return this.sent.map((message) => message.event);
  }
}

const URL_A = 'ws://node.test/api/servers/a/ws';
const granted = (token: string, socket = URL_A): Credentials => ({ kind: 'granted', token, socket });
const line = (n: number) => `line ${n} of the server`;
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));

class World {
  clock = new ManualClock();
  sockets: FakeSocket[] = [];
  answers: Credentials[] = [];
  asked = 0;
  connections: Connection[] = [];
  screen: string[] = [];
  notices: Notice[] = [];
  states: PowerState[] = [];
  stats: Stats[] = [];
  signedOut = 0;
  pager: Pager | null = null;
  searcher: Searcher | null = null;
  presence: Presence | null = null;
  session = new ConsoleSession(
    {
      clock: this.clock,
      random: () => 0.5,
      credentials: () => {
        this.asked += 1;
        return Promise.resolve(this.answers.shift() ?? granted(`token ${this.asked}`));
      },
      open: (url, offered) => {
        const socket = new FakeSocket(url, offered);
        this.sockets.push(socket);
        return socket;
      },
    },
    {
      connection: (connection) => this.connections.push(connection),
      pages: (pager) => (this.pager = pager),
      searches: (searcher) => (this.searcher = searcher),
      began: () => undefined,
      lines: (lines) => this.screen.push(...lines.map((line) => line.text)),
      gap: ({ count, reason }) => this.screen.push(`<${count} ${reason}>`),
      anew: () => this.screen.splice(0),
      typed: ({ user, text }) => this.screen.push(`> ${user}: ${text}`),
      presence: (presence) => (this.presence = presence),
      notice: (notice) => {
        this.notices.push(notice);
        if (notice.kind === 'gap') this.screen.push('<gap>');
      },
      state: (state) => this.states.push(state),
      stats: (stats) => this.stats.push(stats),
      signedOut: () => (this.signedOut += 1),
    },
  );

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }
  get now(): Connection {
    return this.session.connection;
  }
  /** Until `auth` was accepted and the first figures came. */
  async live(...replay: string[]) {
    this.session.start();
    await settle();
    await this.accept(...replay);
  }
  async accept(...replay: string[]) {
    this.socket.onopen?.();
    this.socket.says('auth success');
    this.socket.says('status', 'running');
    this.socket.says('stats', '{"cpu_absolute":1}');
    this.socket.prints(...replay);
    await this.clock.advance(300);
  }
  async cut(code: number, reason = '') {
    this.socket.onclose?.({ code, reason });
    await settle();
  }
}

let world: World;
beforeEach(() => (world = new World()));

describe('connecting', () => {
  test('auth is the first message, figures and history are asked for once', async () => {
    await world.live(...range(1, 3));
    expect(world.socket.sent[0]).toEqual({ event: 'auth', args: ['token 1'] });
    expect(world.socket.names()).toEqual(['auth', 'send stats', 'send logs']);
    expect(world.connections.map((c) => c.phase)).toEqual(['connecting', 'live']);
    expect(world.screen).toEqual(range(1, 3));
    expect(world.states).toEqual(['running']);
    expect(world.stats[0]?.cpu).toBe(1);
  });

  test('lines that came live before the replay are not shown twice', async () => {
    world.session.start();
    await settle();
    world.socket.onopen?.();
    world.socket.says('auth success');
    world.socket.prints(...range(149, 150));
    world.socket.says('stats', '{}');
    world.socket.prints(...range(1, 150), ...range(151, 155));
    await world.clock.advance(300);
    expect(world.screen).toEqual(range(1, 155));
  });

  test('nothing but events is listened to, and nothing ends at nonsense', async () => {
    await world.live();
    for (const data of ['ping', '{}', '[1]', '{"event":7}', '{"event":"stats","args":["nonsense"]}', '{"event":"feature match","args":["{}"]}', new ArrayBuffer(4)]) {
      world.socket.onmessage?.({ data });
    }
    expect(world.now.phase).toBe('live');
    expect(world.notices).toEqual([]);
  });

  test('a node that accepts the connection and stays silent is given up', async () => {
    world.session.start();
    await settle();
    await world.clock.advance(15_000);
    expect(world.now).toMatchObject({ phase: 'waiting', reason: 'the node did not answer in time' });
    expect(world.socket.closedWith).toBe(1000);
  });

  test('an unavailable server is told with its diagnostics and tried again', async () => {
    world.answers = [{ kind: 'unavailable', message: 'Server is not available', diagnostics: { error: '404: gone' } }];
    world.session.start();
    await settle();
    expect(world.now).toMatchObject({ phase: 'unavailable', message: 'Server is not available', diagnostics: { error: '404: gone' } });
    await world.clock.advance(1_000);
    expect(world.sockets).toHaveLength(1);
  });

  test('a refusal ends it, and a missing session is told to the page', async () => {
    world.answers = [{ kind: 'refused', reason: 'sign in again', status: 401 }];
    world.session.start();
    await world.clock.advance(60_000);
    expect(world.now).toEqual({ phase: 'ended', reason: 'sign in again' });
    expect([world.asked, world.signedOut]).toEqual([1, 1]);
  });

  test('the panel’s wish for patience is kept', async () => {
    world.answers = [{ kind: 'failed', reason: 'too many requests', retryAfterMs: 30_000 }];
    world.session.start();
    await world.clock.advance(29_000);
    expect(world.asked).toBe(1);
    await world.clock.advance(1_000);
    expect(world.asked).toBe(2);
  });
});

describe('the token', () => {
  test('is refreshed on the same socket without a trace on the screen', async () => {
    await world.live(...range(1, 5));
    for (const warning of [() => world.socket.says('token expiring'), () => world.socket.says('token expired')]) {
      warning();
      await settle();
      world.socket.says('auth success');
      await world.clock.advance(5_000);
    }
    expect(world.socket.names()).toEqual(['auth', 'send stats', 'send logs', 'auth', 'auth']);
    expect(world.sockets).toHaveLength(1);
    expect(world.screen).toEqual(range(1, 5));
    expect(world.connections.map((c) => c.phase)).toEqual(['connecting', 'live']);
  });

  test.each(['Error Event [b3]: JWT: exp claim is invalid', 'jwt: created too far in past (denylist)'])('"%s" asks for a fresh one, once', async (text) => {
    await world.live();
    for (let i = 0; i < 50; i += 1) world.socket.says('jwt error', text);
    await settle();
    expect(world.asked).toBe(2);
    expect(world.socket.names().filter((name) => name === 'auth')).toHaveLength(2);
  });

  test('a panel that is away while the token runs out is asked again', async () => {
    await world.live();
    world.answers = [{ kind: 'failed', reason: 'away' }, { kind: 'failed', reason: 'away' }];
    world.socket.says('token expiring');
    await world.clock.advance(9_000);
    expect(world.socket.sent.at(-1)).toEqual({ event: 'auth', args: ['token 4'] });
    expect(world.now.phase).toBe('live');
  });

  test('a right that was taken away ends the console', async () => {
    await world.live();
    world.socket.says('jwt error', 'jwt: missing connect permission');
    await world.clock.advance(60_000);
    expect(world.now.phase).toBe('ended');
    expect(world.sockets).toHaveLength(1);
  });

  test('a server that moved is followed to its new node', async () => {
    await world.live(...range(1, 3));
    world.answers = [granted('t', 'ws://other.test/ws'), granted('t', 'ws://other.test/ws')];
    world.socket.says('token expiring');
    await settle();
    expect(world.sockets.map((s) => s.url)).toEqual([URL_A, 'ws://other.test/ws']);
  });
});

describe('reconnecting', () => {
  test('pauses grow to 20 s and begin anew after success', async () => {
    await world.live();
    const pauses: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      await world.cut(1006);
      if (world.now.phase !== 'waiting') throw new Error(world.now.phase);
      const pause = world.now.until - world.clock.now();
      pauses.push(pause);
      await world.clock.advance(pause);
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
    await world.accept();
    await world.cut(1012, 'node is restarting');
    expect(world.now).toEqual({ phase: 'waiting', until: world.clock.now() + 1_000, reason: 'node is restarting' });
  });

  test.each([
    [1000, ''],
    [4400, 'ended by an administrator'],
    [4409, 'server is suspended'],
  ])('code %d is final and its reason is shown', async (code, reason) => {
    await world.live();
    await world.cut(code, reason);
    await world.clock.advance(120_000);
    expect(world.now).toEqual({ phase: 'ended', reason: reason || 'the node closed the console' });
    expect(world.sockets).toHaveLength(1);
    world.session.start();
    await settle();
    expect(world.sockets).toHaveLength(2);
  });

  test('the lines on the screen stay, the replay adds what was missed', async () => {
    await world.live(...range(1, 150));
    world.socket.prints(...range(151, 200));
    await world.cut(1006);
    await world.clock.advance(1_000);
    await world.accept(...range(71, 220));
    world.socket.prints(line(221));
    expect(world.screen).toEqual(range(1, 221));
    expect(world.notices).toEqual([]);
  });

  test('what can’t be joined is marked', async () => {
    await world.live(...range(1, 150));
    await world.cut(1006);
    await world.clock.advance(1_000);
    await world.accept(...range(400, 549));
    expect(world.screen).toEqual([...range(1, 150), '<gap>', ...range(400, 549)]);
  });

  test('a busy server is joined too, though it is never quiet', async () => {
    await world.live(...range(1, 150));
    await world.cut(1006);
    await world.clock.advance(1_000);
    world.socket.onopen?.();
    world.socket.says('auth success');
    world.socket.says('stats', '{}');
    world.socket.prints(...range(21, 170));
    for (let n = 171; n <= 200; n += 1) {
      world.socket.prints(line(n));
      await world.clock.advance(100);
    }
    expect(world.screen).toEqual(range(1, 200));
  });

  test('a replay cut short is taken up by the next one', async () => {
    await world.live(...range(1, 150));
    await world.cut(1006);
    await world.clock.advance(1_000);
    world.socket.onopen?.();
    world.socket.says('auth success');
    world.socket.says('stats', '{}');
    world.socket.prints(...range(50, 120));
    await world.cut(1006);
    await world.clock.advance(1_000);
    await world.accept(...range(50, 199));
    expect(world.screen).toEqual(range(1, 199));
  });

  test('a tab that is looked at again does not wait', async () => {
    await world.live();
    await world.cut(1006);
    world.session.wake();
    await settle();
    expect(world.sockets).toHaveLength(2);
  });

  test('a connection that died unseen is noticed', async () => {
    await world.live();
    await world.clock.advance(45_000);
    expect(world.socket.names().at(-1)).toBe('send stats');
    await world.clock.advance(10_000);
    expect(world.now).toMatchObject({ phase: 'waiting', reason: 'the node fell silent' });
  });

  test('a node that answers the probe is left alone', async () => {
    await world.live();
    for (let i = 0; i < 4; i += 1) {
      await world.clock.advance(46_000);
      world.socket.says('stats', '{}');
    }
    expect(world.now.phase).toBe('live');
  });

  test('nothing comes from a session that was stopped', async () => {
    await world.live();
    const { socket } = world;
    world.session.stop();
    await world.clock.advance(120_000);
    expect(socket.closedWith).toBe(1000);
    expect(world.connections.map((c) => c.phase)).toEqual(['connecting', 'live']);
    expect(world.sockets).toHaveLength(1);
  });
});

describe('speaking', () => {
  test('commands and power go out only while live', async () => {
    expect(world.session.command('help')).toBeUndefined();
    await world.live();
    expect(await world.session.command('say hi')).toBeNull();
    expect(await world.session.power('restart')).toBeNull();
    expect(world.socket.sent.slice(-2)).toEqual([
      { event: 'send command', args: ['say hi'] },
      { event: 'set state', args: ['restart'] },
    ]);
    await world.cut(1006);
    expect(world.session.command('help')).toBeUndefined();
  });

  test('the daemon’s words are notices, cleaned, and never lines', async () => {
    await world.live();
    world.socket.says('daemon message', '\u001b[31mThe server is offline.\u001b]0;x\u0007\r\n');
    world.socket.says('daemon error', 'Error Event [1]: no');
    expect(world.notices).toEqual([
      { kind: 'daemon', text: 'The server is offline. ]0;x' },
      { kind: 'error', text: 'Error Event [1]: no' },
    ]);
    expect(world.screen).toEqual([]);
  });
});

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
