import { beforeEach, describe, expect, test } from 'vitest';
import { settle } from './clock';
import { URL_A, World, granted, line, range } from './session.world';

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
