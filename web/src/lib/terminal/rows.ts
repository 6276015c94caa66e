/**
 * Turns what is kept into text for the terminal: colours end with their line, pieces of one line stand in one row,
 * the time stands before it if it is wanted. Live and after a rebuild the same items give the same rows.
 *
 * What is kept is `Transcript`'s business, drawing is the screen's.
 */

import { CONTINUED, OPEN, type Line } from '../socket/output';
import { harmlessPiece } from './filter';

export type MarkKind = 'daemon' | 'error' | 'gap' | 'info' | 'typed' | 'edge';

/** A row between the lines that the console itself writes. */
export interface Mark {
  kind: MarkKind;
  text: string;
  /** Before the text: who speaks. */
  label: string;
  /** Stands for lines that can be paged back for: it goes when they come. */
  passing?: boolean;
}

export type Item = Line | Mark;

export function isLine(item: Item): item is Line {
  return 'source' in item;
}

/** Whether `item` goes on in the row of the one before it. */
export function joins(item: Item, before: Item | undefined): boolean {
  return before !== undefined && isLine(item) && isLine(before) && (item.flags & CONTINUED) !== 0 && (before.flags & OPEN) !== 0 && item.source === before.source;
}

/** Begins each row with its time, if there is one. */
export function timeBefore(time: number, now: number): string {
  return time === 0 ? '' : `\u001b[90m${timeText(time, now)}\u001b[0m `;
}

/** The hour of today, the date of other days. */
export function timeText(time: number, now: number): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const at = new Date(time);
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const day = at.toDateString() === new Date(now).toDateString() ? '' : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} `;
  return `${day}${clock}`;
}

const DAEMON = '\u001b[33m\u001b[1m[Roost Daemon]:\u001b[0m ';
/** The reset keeps one line's colours out of the next one, and out of the marks. */
const END = '\u001b[0m\r\n';

export class RowWriter {
  #before: Line | undefined;
  #cut = '';

  constructor(
    readonly times: boolean,
    readonly now: () => number,
  ) {}

  /** Whether a row is not ended. */
  get isOpen(): boolean {
    return this.#before !== undefined;
  }

  line(line: Line): string {
    const isRest = joins(line, this.#before);
    let out = isRest ? '' : this.endRow();
    if (!isRest) {
      if (this.times) out += timeBefore(line.time, this.now());
      if (line.source === 'daemon') out += DAEMON;
    }
    const { text, cut } = harmlessPiece(this.#cut + line.text);
    out += text;
    if ((line.flags & OPEN) === 0) {
      this.#before = undefined;
      this.#cut = '';
      return out + END;
    }
    this.#before = line;
    this.#cut = cut;
    return out;
  }

  /** Ends the row that a line left open. */
  endRow(): string {
    const isOpen = this.#before !== undefined;
    this.#before = undefined;
    this.#cut = '';
    return isOpen ? END : '';
  }
}
