/**
 * Where things stand in xterm's buffer, which knows rows of cells only: a logical row is one that is not wrapped and all
 * the wrapped ones behind it. Items of the transcript fill logical rows.
 */

import type { IBuffer } from '@xterm/xterm';

/** Logical rows that were written; `isOpen`: the last one has no end yet. */
export function writtenRows(buffer: IBuffer, isOpen: boolean): number {
  let y = buffer.baseY + buffer.cursorY;
  let rows = 0;
  if (isOpen) {
    rows = 1;
    while (y > 0 && buffer.getLine(y)?.isWrapped) y -= 1;
  }
  for (y -= 1; y >= 0; y -= 1) if (!buffer.getLine(y)?.isWrapped) rows += 1;
  return rows;
}

/** The logical row of which `y` is a part, and how many rows of cells of it are above; -1 is the rest of one that was dropped. */
export function rowAt(buffer: IBuffer, y: number): { row: number; offset: number } {
  let row = -1;
  let offset = 0;
  for (let at = 0; at <= y; at += 1) {
    if (buffer.getLine(at)?.isWrapped) offset += 1;
    else {
      row += 1;
      offset = 0;
    }
  }
  return { row, offset };
}

/** Where a logical row begins. */
export function yOfRow(buffer: IBuffer, row: number): number {
  let at = -1;
  for (let y = 0; y < buffer.length; y += 1) {
    if (!buffer.getLine(y)?.isWrapped) at += 1;
    if (at === row) return y;
  }
  return buffer.baseY;
}

export interface Cell {
  x: number;
  y: number;
  width: number;
}

/** The cells of a text where it stands first in the logical row that begins at `y`; none where it does not. */
export function cellsOf(buffer: IBuffer, y: number, text: string): Cell[] {
  let row = '';
  const cells: Cell[] = [];
  for (let at = y; at === y || buffer.getLine(at)?.isWrapped; at += 1) {
    const line = buffer.getLine(at);
    if (!line) break;
    for (let x = 0; x < line.length; x += 1) {
      const cell = line.getCell(x);
      // The second half of a wide character is none of its own.
      if (!cell || cell.getWidth() === 0) continue;
      const chars = cell.getChars() || ' ';
      row += chars;
      for (let i = 0; i < chars.length; i += 1) cells.push({ x, y: at, width: cell.getWidth() });
    }
  }
  const from = text === '' ? -1 : row.indexOf(text);
  return from < 0 ? [] : cells.slice(from, from + text.length);
}

/** All that stands in the buffer, without the blank end. */
export function textOf(buffer: IBuffer): string {
  let text = '';
  for (let y = 0; y < buffer.length; y += 1) {
    const row = buffer.getLine(y);
    if (!row) continue;
    if (y > 0 && !row.isWrapped) text += '\n';
    text += row.translateToString(!buffer.getLine(y + 1)?.isWrapped);
  }
  return `${text.trimEnd()}\n`;
}
