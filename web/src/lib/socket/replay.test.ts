import { describe, expect, test } from 'vitest';
import { joinReplay, longestOverlap } from './replay';

const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `[12:00:00] line ${from + i}`);

describe('joining a replay to what is shown', () => {
  test('an empty screen takes all of it', () => {
    expect(joinReplay([], lines(1, 3))).toEqual({ fresh: lines(1, 3), gap: false });
  });

  test('lines that are shown already are dropped', () => {
    expect(joinReplay(lines(50, 300), lines(201, 350))).toEqual({ fresh: lines(301, 350), gap: false });
  });

  test('nothing was missed: nothing is fresh', () => {
    expect(joinReplay(lines(1, 300), lines(151, 300))).toEqual({ fresh: [], gap: false });
  });

  test('a screen shorter than the replay is found inside of it', () => {
    expect(joinReplay(lines(10, 14), lines(1, 20))).toEqual({ fresh: lines(15, 20), gap: false });
  });

  test('more was missed than the replay holds: everything is shown and the gap is said', () => {
    expect(joinReplay(lines(1, 100), lines(200, 349))).toEqual({ fresh: lines(200, 349), gap: true });
  });

  test('no replay at all: something may be missing', () => {
    expect(joinReplay(lines(1, 5), [])).toEqual({ fresh: [], gap: true });
  });

  test('a blank line at the seam is no evidence', () => {
    const joined = joinReplay([...lines(1, 50), ''], ['', ...lines(90, 100)]);
    expect(joined.gap).toBe(true);
    expect(joined.fresh).toHaveLength(12);
  });

  test('repeating lines match as long as they can', () => {
    const tick = new Array<string>(200).fill('a tick of the clock');
    expect(joinReplay(tick, tick.slice(0, 150))).toEqual({ fresh: [], gap: false });
    expect(longestOverlap(['a', 'b', 'a', 'b'], ['a', 'b', 'a', 'b', 'c'])).toBe(4);
    expect(longestOverlap(['x', 'a', 'b', 'a'], ['a', 'b', 'a', 'b', 'c'])).toBe(3);
  });

  test('whatever was cut, nothing is lost and nothing doubled', () => {
    let seed = 7;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    for (let round = 0; round < 500; round += 1) {
      // Few different lines, so that repeats are common; a number now and then keeps the seam findable.
      const all = Array.from({ length: 400 }, (_, i) => (random() < 0.5 ? `line number ${i} of the run` : (['', 'tick', '> '][i % 3] ?? '')));
      const seen = 150 + Math.floor(random() * 150);
      const missed = Math.floor(random() * 100);
      const end = seen + missed;
      const joined = joinReplay(all.slice(0, seen), all.slice(Math.max(0, end - 150), end));
      expect(joined).toEqual({ fresh: all.slice(seen, end), gap: false });
    }
  });
});
