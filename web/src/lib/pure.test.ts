import { describe, expect, test } from 'vitest';
import { Figures } from './figures';
import { bytes, duration, percent } from './format';
import { CommandHistory } from './history';
import { allows } from './permissions';
import { Poller } from './poller';
import { whyNot } from './power';
import { ManualClock, settle } from './socket/clock';
import { parseStats, statsFrom } from './socket/events';

describe('command history', () => {
  const store = () => {
    const kept = new Map<string, string>();
    return { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
  };

  test('arrow keys walk it and bring the draft back', () => {
    const history = new CommandHistory('k', null);
    history.add('list');
    history.add('say hi');
    expect([history.older('sto'), history.older(''), history.older('')]).toEqual(['say hi', 'list', null]);
    expect([history.newer(), history.newer(), history.newer()]).toEqual(['say hi', 'sto', null]);
  });

  test('outlives the page, a hundred of them, without repeats', () => {
    const kept = store();
    const history = new CommandHistory('k', kept);
    for (let i = 0; i < 150; i += 1) history.add(`command ${i}`);
    history.add('command 149');
    const again = new CommandHistory('k', kept);
    const all: string[] = [];
    for (let entry = again.older(''); entry !== null; entry = again.older('')) all.push(entry);
    expect(all).toHaveLength(100);
    expect([all[0], all[99]]).toEqual(['command 149', 'command 50']);
  });

  test('what stands in the store may be anything', () => {
    for (const text of ['{', '{"a":1}', '[1,"ok",null]', 'null']) {
      const history = new CommandHistory('k', { getItem: () => text, setItem: () => undefined });
      expect([null, 'ok']).toContain(history.older(''));
    }
  });

  test('a store that throws costs nothing but the memory', () => {
    const history = new CommandHistory('k', {
      getItem: () => {
        throw new Error('off');
      },
      setItem: () => {
        throw new Error('off');
      },
    });
    history.add('list');
    expect(history.older('')).toBe('list');
  });
});

describe('figures', () => {
  const sample = (rx: number, measured = true) => statsFrom({ memory_bytes: 1, cpu_absolute: 2, network: { rx_bytes: rx, tx_bytes: 0 }, network_measured: measured });

  test('rates come from differences; a restart is no negative rate', () => {
    const figures = new Figures();
    [0, 1_000, 5_000, 100, 300].forEach((rx, i) => figures.add(sample(rx), i * 2_000));
    expect(figures.series().received).toEqual([null, 500, 2_000, null, 100]);
  });

  test('a network that is not measured has no rate', () => {
    const figures = new Figures();
    figures.add(sample(0, false), 0);
    figures.add(sample(0, false), 1_000);
    expect(figures.series().received).toEqual([null, null]);
  });

  test('sixty points are kept', () => {
    const figures = new Figures();
    for (let i = 0; i < 200; i += 1) figures.add(sample(i), i * 1_000);
    expect(figures.series().time).toHaveLength(60);
  });

  test('stats are read from the socket and from the REST API alike', () => {
    expect(parseStats('{"memory_bytes":5,"network":{"rx_bytes":7,"tx_bytes":8},"state":"running","new":1}')).toMatchObject({ memoryBytes: 5, rxBytes: 7, txBytes: 8, state: 'running', networkMeasured: true });
    expect(statsFrom({ network_rx_bytes: 7, state: 'missing', cpu_absolute: 'x', network_measured: false })).toMatchObject({ rxBytes: 7, state: null, cpu: 0, networkMeasured: false });
    expect(parseStats('null')).toBeNull();
  });
});

test('permissions: a star covers everything but admin names', () => {
  expect(allows(['*'], 'control.start')).toBe(true);
  expect(allows(['*'], 'admin.websocket.errors')).toBe(false);
  expect(allows(['control.start'], 'control.stop')).toBe(false);
});

test('power buttons say why they do nothing', () => {
  expect(whyNot('start', 'offline', false)).toBeNull();
  expect(whyNot('start', 'running', false)).toBe('The server is already running.');
  expect(whyNot('stop', 'stopping', false)).toMatch(/kill/);
  expect(whyNot('kill', 'stopping', false)).toBeNull();
  expect(whyNot('start', 'offline', true)).toMatch(/suspended/);
  expect(whyNot('start', null, false)).toMatch(/not known/);
});

test('numbers in words', () => {
  expect([bytes(0), bytes(999), bytes(1_536), bytes(1_073_741_824), bytes(512 * 1_048_576)]).toEqual(['0 B', '999 B', '1.5 KiB', '1.0 GiB', '512 MiB']);
  expect([duration(0), duration(61_000), duration(90_061_000)]).toEqual(['0 s', '1 min 1 s', '1 d 1 h']);
  expect([percent(0.123), percent(150.6)]).toEqual(['0.1 %', '151 %']);
});

describe('polling', () => {
  test('slows down where nothing changes or everything fails, and stops when nobody looks', async () => {
    const clock = new ManualClock();
    const times: number[] = [];
    let answer: () => Promise<boolean> = () => Promise.resolve(true);
    const poller = new Poller({ clock, pace: 1_000, slowest: 4_000, ask: () => (times.push(clock.now()), answer()) });
    poller.start();
    await clock.advance(3_000);
    expect(times).toHaveLength(4);
    answer = () => Promise.reject(new Error('away'));
    await clock.advance(20_000);
    const pauses = times.slice(4).map((time, i) => time - (times[i + 3] ?? 0));
    expect(pauses.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 4_000]);
    poller.stop();
    const before = times.length;
    await clock.advance(60_000);
    expect(times).toHaveLength(before);
    poller.start();
    await settle();
    expect(times).toHaveLength(before + 1);
  });
});

test('a poller that is hurried while it asks, asks once more at once', async () => {
  const clock = new ManualClock();
  let asked = 0;
  let answer: (changed: boolean) => void = () => undefined;
  const poller = new Poller({ clock, pace: 1_000, slowest: 4_000, ask: () => ((asked += 1), new Promise((resolve) => (answer = resolve))) });
  poller.start();
  poller.hurry();
  poller.hurry();
  expect(asked).toBe(1);
  answer(false);
  await settle();
  expect(asked).toBe(2);
  answer(false);
  await clock.advance(900);
  expect(asked).toBe(2);
});
