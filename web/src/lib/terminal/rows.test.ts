import { describe, expect, test } from 'vitest';
import { CONTINUED, OPEN, type Line } from '../socket/output';
import { RowWriter, timeBefore } from './rows';

const NOW = new Date(2026, 10, 24, 12, 0, 0).getTime();
const line = (text: string, flags = 0, source: Line['source'] = 'output'): Line => ({ seq: 1, time: NOW, text, source, flags });
const write = (lines: Line[], times = false) => {
  const writer = new RowWriter(times, () => NOW);
  return lines.map((one) => writer.line(one)).join('');
};
const END = '\u001b[0m\r\n';

describe('rows', () => {
  test('a line ends with its colours', () => {
    expect(write([line('\u001b[31mred'), line('')])).toBe(`\u001b[31mred${END}${END}`);
  });

  test('an open line has no end yet, its rest goes on in the same row and the same colour', () => {
    expect(write([line('\u001b[31mname: ', OPEN)])).toBe('\u001b[31mname: ');
    expect(write([line('\u001b[31mname: ', OPEN), line('an', CONTINUED | OPEN), line('na', CONTINUED), line('next')])).toBe(`\u001b[31mname: anna${END}next${END}`);
  });

  test('another source in between ends the row; the rest stands in a row of its own', () => {
    expect(write([line('> ', OPEN), line('Stopping', 0, 'daemon'), line('bye', CONTINUED)])).toBe(`> ${END}\u001b[33m\u001b[1m[Roost Daemon]:\u001b[0m Stopping${END}bye${END}`);
  });

  test('a rest without its beginning is a row', () => {
    expect(write([line('the rest', CONTINUED)])).toBe(`the rest${END}`);
  });

  test('a control function that is cut between two pieces is read as one', () => {
    const whole = 'a\u001b[38;5;208mb\u001b]52;c;b3duZWQ=\u0007c\u001b[2Jd\u001b]0;t\u001b\\e\u009b2Jf\u009d0;x\u009cg';
    const expected = write([line(whole)]);
    for (let at = 0; at <= whole.length; at += 1) {
      for (let to = at; to <= whole.length; to += 3) {
        expect(write([line(whole.slice(0, at), OPEN), line(whole.slice(at, to), CONTINUED | OPEN), line(whole.slice(to), CONTINUED)])).toBe(expected);
      }
    }
  });

  test('a control string without an end costs no memory', () => {
    const writer = new RowWriter(false, () => NOW);
    writer.line(line('a\u001b]52;', OPEN));
    for (let i = 0; i < 50; i += 1) expect(writer.line(line('x'.repeat(60_000), CONTINUED | OPEN))).toBe('');
    expect(writer.line(line('\u0007b', CONTINUED))).toBe(`b${END}`);
  });

  test('the time stands before a row, not before its pieces; other days have their date', () => {
    expect(write([line('a', OPEN), line('b', CONTINUED)], true)).toBe(`\u001b[90m12:00:00\u001b[0m ab${END}`);
    expect(timeBefore(NOW - 86_400_000, NOW)).toContain('2026-11-23 12:00:00');
    expect(timeBefore(0, NOW)).toBe('');
  });
});
