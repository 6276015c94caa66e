import { beforeEach, describe, expect, test } from 'vitest';
import type { Line, Page } from '../socket/output';
import { isLine, type Item } from './rows';
import { PAGED, Transcript } from './transcript';

const line = (seq: number, text = `line ${seq}`, flags = 0): Line => ({ seq, time: 0, text, source: 'output', flags });
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
const page = (from: number, to: number, more: Partial<Page> = {}): Page => ({ from, next: to + 1, begin: false, gone: 0, lines: range(from, to), ...more });
const seqs = (items: readonly Item[]) => items.map((item) => (isLine(item) ? item.seq : item.text));
/** First and last number, and that none is missing between them. */
function held() {
  const numbers = transcript.items.filter(isLine).map((item) => item.seq);
  expect(numbers.filter((seq, i) => i > 0 && seq !== (numbers[i - 1] ?? 0) + 1)).toEqual([]);
  return [numbers[0], numbers.at(-1)];
}

let transcript: Transcript;
beforeEach(() => {
  transcript = new Transcript();
  transcript.paged = true;
  transcript.bounds = { followed: 100, read: 200, chars: 10_000 };
});

describe('following the newest line', () => {
  test('the oldest lines go at the bound, and can be paged back for', () => {
    for (let seq = 1; seq <= 500; seq += 1) transcript.append([line(seq)], false);
    const [first, last] = held();
    expect(last).toBe(500);
    expect(transcript.items.length).toBeLessThanOrEqual(105);
    expect(transcript.olderThan).toBe(first);
  });

  test('characters are bounded too', () => {
    for (let seq = 1; seq <= 50; seq += 1) transcript.append([line(seq, 'x'.repeat(1_000))], false);
    expect(transcript.items.length).toBeLessThanOrEqual(10);
    expect(held()[1]).toBe(50);
  });

  test('more at once than is kept means that the screen begins anew', () => {
    transcript.append(range(1, 10), false);
    expect(transcript.append(range(11, 20), false).anew).toBe(false);
    const change = transcript.append(range(21, 1_000), false);
    expect(change.anew).toBe(true);
    expect(held()[1]).toBe(1_000);
  });

  test('without pages there is nothing older to ask for', () => {
    transcript.paged = false;
    transcript.append([{ ...line(0), text: 'a' }, { ...line(0), text: 'b' }], false);
    expect(transcript.items).toHaveLength(2);
    expect(transcript.olderThan).toBeNull();
  });
});

describe('paging back', () => {
  test('a page stands in front, the next one before it', () => {
    transcript.began(51);
    transcript.append(range(41, 50), false);
    expect(transcript.olderThan).toBe(41);
    expect(transcript.prepend(41, page(21, 40))).toBe(true);
    expect(transcript.olderThan).toBe(21);
    expect(transcript.prepend(21, page(1, 20, { begin: true }))).toBe(true);
    expect(seqs(transcript.items).slice(0, 2)).toEqual(['This is the beginning of the history.', 1]);
    expect(held()).toEqual([1, 50]);
    expect(transcript.olderThan).toBeNull();
  });

  test('lines that are gone are counted at the beginning', () => {
    transcript.append(range(41, 50), false);
    transcript.prepend(41, page(31, 40, { begin: true, gone: 1_234 }));
    expect(seqs(transcript.items)[0]).toContain('(1,234)');
  });

  test('an answer that came too late is left out', () => {
    transcript.append(range(41, 50), false);
    expect(transcript.prepend(30, page(1, 29))).toBe(false);
    transcript.prepend(41, page(31, 40));
    expect(transcript.prepend(41, page(31, 40))).toBe(false);
    expect(held()).toEqual([31, 50]);
  });

  test('before any line came it goes back from the node’s next one, and what came with the page is not doubled', () => {
    transcript.began(51);
    expect(transcript.olderThan).toBe(51);
    transcript.prepend(51, page(1, 50, { begin: true }));
    transcript.append(range(41, 52), false);
    expect(held()).toEqual([1, 52]);
  });

  test('where all lines are the installer’s, the place moves on all the same', () => {
    transcript.append(range(41, 50), false);
    transcript.prepend(41, page(21, 40, { lines: [] }));
    expect(transcript.olderThan).toBe(21);
  });

  test('rows that the terminal has dropped are not held', () => {
    transcript.append(range(1, 90), false);
    transcript.keepRows(30);
    expect(held()).toEqual([61, 90]);
    expect(transcript.olderThan).toBe(61);
  });
});

describe('reading further up', () => {
  test('live lines go below, up to the bound; then they are only counted', () => {
    transcript.append(range(1, 100), false);
    expect(transcript.append(range(101, 200), true).shown).toHaveLength(100);
    expect(transcript.detached).toBe(false);
    const change = transcript.append(range(201, 230), true);
    expect([change.shown.length, change.lines]).toEqual([0, 30]);
    expect(transcript.detached).toBe(true);
    expect(held()).toEqual([1, 200]);
  });

  test('at the bound, a page of older lines takes the place of the newest ones', () => {
    transcript.append(range(901, 1_000), false);
    transcript.prepend(901, page(801, 900));
    expect(transcript.detached).toBe(false);
    transcript.prepend(801, page(741, 800));
    expect(held()).toEqual([741, 940]);
    expect(transcript.detached).toBe(true);
  });

  test('the way back goes through a page before the newest line', () => {
    transcript.append(range(901, 1_000), false);
    transcript.prepend(901, page(751, 900));
    transcript.append(range(1_001, 1_050), true);
    transcript.toNewest();
    expect([transcript.items.length, transcript.detached, transcript.olderThan]).toEqual([0, false, 1_051]);
    transcript.append(range(1_051, 1_053), false);
    transcript.prepend(1_051, page(1_001, 1_050));
    expect(held()).toEqual([1_001, 1_053]);
  });
});

describe('gaps', () => {
  test('stand between the lines', () => {
    transcript.append([line(1), { gap: { after: 1, count: 40, reason: 'retention' } }, line(42)], false);
    expect(seqs(transcript.items)).toEqual([1, '40 lines are missing here: the journal does not hold them any more.', 42]);
    transcript.append([{ gap: { after: 42, count: 1, reason: 'disk' } }], false);
    expect(seqs(transcript.items).at(-1)).toBe('1 line is missing here: the node can’t read them from its disk.');
  });

  test('more than was asked for: the screen begins with the newest ones, and paging fills the hole', () => {
    transcript.append(range(1, 10), false);
    const change = transcript.append([{ gap: { after: 10, count: 7_000, reason: 'most' } }, ...range(7_011, 7_020)], false);
    expect(change.anew).toBe(true);
    expect(seqs(transcript.items)[0]).toContain('7,000 lines');
    expect(transcript.olderThan).toBe(7_011);
    transcript.prepend(7_011, page(6_951, 7_010));
    expect(held()).toEqual([6_951, 7_020]);
    expect(transcript.items.every(isLine)).toBe(true);
  });

  test('the same while somebody reads further up leaves his place alone', () => {
    transcript.append(range(1, 10), false);
    const change = transcript.append([{ gap: { after: 10, count: 7_000, reason: 'most' } }, ...range(7_011, 7_020)], true);
    expect([change.anew, change.lines, transcript.detached]).toEqual([false, 7_010, true]);
    expect(held()).toEqual([1, 10]);
    transcript.toNewest();
    expect(transcript.olderThan).toBe(7_021);
  });
});

test('pieces of a line are one row', () => {
  transcript.append([line(1, 'a', 2), line(2, 'b', 3), line(3, 'c', 1), line(4), line(5, 'd', 2), { ...line(6), source: 'daemon' }, line(7, 'e', 1)], false);
  expect(transcript.rows()).toBe(5);
  expect([0, 1, 2, 3, 4, 5].map((row) => transcript.itemOfRow(row))).toEqual([0, 3, 4, 5, 6, 7]);
  expect([0, 1, 2, 3, 4, 5, 6].map((item) => transcript.rowOfItem(item))).toEqual([0, 0, 0, 1, 2, 3, 4]);
});

test('another stream begins with nothing', () => {
  transcript.append(range(100, 110), false);
  transcript.restart();
  transcript.began(4);
  transcript.append(range(1, 3), false);
  expect(held()).toEqual([1, 3]);
});

test('whatever is done, what is held has no hole, keeps its bounds and reaches to the newest line unless it says so', () => {
  let seed = 11;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  transcript.bounds = { ...PAGED, followed: 60, read: 90 };
  const all: Line[] = [];
  let reading = false;
  for (let step = 0; step < 3_000; step += 1) {
    const what = random(13);
    if (what === 12 && all.length > 0) {
      const seq = 1 + random(all.length);
      const from = Math.max(1, seq - 20);
      const to = Math.min(all.length, seq + 20);
      transcript.place({ from, next: seq + 1, begin: from === 1, gone: 0, lines: all.slice(from - 1, seq) }, { from: seq + 1, next: to + 1, begin: false, gone: 0, lines: all.slice(seq, to) });
      reading = true;
    } else if (what > 9) {
      const after = transcript.newerThan;
      if (after === null) continue;
      const to = Math.min(all.length, after + 25);
      expect(transcript.extend(after, { from: after + 1, next: to + 1, begin: false, gone: 0, lines: all.slice(after, to) })).toBe(true);
    } else if (what < 6) {
      const fresh = range(all.length + 1, all.length + 1 + random(20));
      all.push(...fresh);
      transcript.append(fresh, reading);
    } else if (what < 8) {
      reading = transcript.detached || random(2) === 0;
    } else if (what < 9 && reading && transcript.olderThan !== null) {
      const before = transcript.olderThan;
      const from = Math.max(1, before - 25);
      expect(transcript.prepend(before, { from, next: before, begin: from === 1, gone: 0, lines: all.slice(from - 1, before - 1) })).toBe(true);
    } else if (transcript.detached) {
      transcript.toNewest();
      reading = false;
      const before = transcript.olderThan ?? 0;
      transcript.prepend(before, page(Math.max(1, before - 25), before - 1));
    }
    const [first, last] = held();
    expect(transcript.items.length).toBeLessThanOrEqual(92);
    if (!transcript.detached && all.length > 0) expect(last).toBe(all.length);
    if (transcript.olderThan !== null && first !== undefined) expect(transcript.olderThan).toBe(first);
  }
});

describe('a jump, and the way on from it', () => {
  const around = (seq: number) => [page(Math.max(1, seq - 49), seq, { begin: seq <= 50 }), page(seq + 1, seq + 50)] as const;

  test('the lines around a place take the place of all others', () => {
    transcript.append(range(901, 1_000), false);
    transcript.place(...around(500));
    expect(held()).toEqual([451, 550]);
    expect([transcript.detached, transcript.olderThan, transcript.newerThan]).toEqual([true, 451, 550]);
    expect(transcript.lineAt(500)?.text).toBe('line 500');
    // What comes meanwhile is counted only.
    expect(transcript.append(range(1_001, 1_003), true)).toMatchObject({ lines: 3, shown: [] });
  });

  test('pages lead on to the newest line, and what comes then follows', () => {
    transcript.append(range(901, 1_000), false);
    transcript.place(...around(500));
    while (transcript.newerThan !== null) {
      const after = transcript.newerThan;
      expect(transcript.extend(after, page(after + 1, Math.min(1_000, after + 60)))).toBe(true);
      held();
    }
    expect(transcript.extend(1_000, page(1_001, 1_002))).toBe(false);
    transcript.append(range(1_001, 1_010), true);
    expect(held()[1]).toBe(1_010);
    expect(transcript.items.length).toBeLessThanOrEqual(220);
  });

  test('a page that holds lines which then come live shows each once', () => {
    transcript.append(range(901, 1_000), false);
    transcript.place(page(951, 990), page(991, 1_005));
    expect(transcript.detached).toBe(false);
    transcript.append(range(1_001, 1_010), true);
    expect(held()).toEqual([951, 1_010]);
  });

  test('what retention took on the way is said', () => {
    transcript.append(range(901, 1_000), false);
    transcript.place(...around(500));
    transcript.extend(550, page(601, 650, { gone: 50 }));
    expect(transcript.items.filter((item) => !isLine(item)).map((item) => seqs([item])[0])).toEqual(['50 lines are missing here: the journal does not hold them any more.']);
  });

  test('newer lines that made room come back by reading on', () => {
    transcript.append(range(901, 1_000), true);
    transcript.prepend(901, page(751, 900));
    expect(transcript.newerThan).toBe(950);
    transcript.extend(950, page(951, 1_000));
    expect([transcript.detached, held()[1]]).toEqual([false, 1_000]);
  });
});
