import type { IBuffer } from '@xterm/xterm';
import { expect, test } from 'vitest';
import { rowAt, textOf, writtenRows, yOfRow } from './layout';

/** A buffer of these rows; one that begins with `+` is wrapped. The cursor stands in the last one, or behind it. */
function buffer(rows: string[], { isOpen = false, blank = 2 } = {}): IBuffer {
  const all = [...rows, ...new Array<string>(blank).fill('')];
  const getLine = (y: number) => {
    const row = all[y];
    return row === undefined ? undefined : { isWrapped: row.startsWith('+'), translateToString: () => row.replace(/^\+/, '') };
  };
  return { baseY: 0, cursorY: rows.length - (isOpen ? 1 : 0), length: all.length, getLine } as unknown as IBuffer;
}

test('a wrapped row counts once, blank ones below the cursor not at all', () => {
  expect(writtenRows(buffer(['a', 'b', '+b', 'c']), false)).toBe(3);
  expect(writtenRows(buffer([]), false)).toBe(0);
});

test('a row without an end counts, even where the cursor is in a wrapped part of it', () => {
  expect(writtenRows(buffer(['a', 'b'], { isOpen: true }), true)).toBe(2);
  expect(writtenRows(buffer(['a', 'b', '+b', '+b'], { isOpen: true }), true)).toBe(2);
});

test('the rest of a row whose beginning was dropped is none', () => {
  const cut = buffer(['+rest', '+rest', 'a', 'b', '+b']);
  expect(writtenRows(cut, false)).toBe(2);
  expect(rowAt(cut, 1)).toEqual({ row: -1, offset: 2 });
  expect(rowAt(cut, 4)).toEqual({ row: 1, offset: 1 });
  expect([yOfRow(cut, 0), yOfRow(cut, 1)]).toEqual([2, 3]);
});

test('text is copied as lines, not as rows', () => {
  expect(textOf(buffer(['a', 'b', '+c']))).toBe('a\nbc\n');
});
