/**
 * What the terminal holds: a stretch of the output without a hole, lines and the console's own marks, bounded. While
 * the newest line is followed, the oldest ones go. While a person reads further up, nothing of that goes: at the bound
 * the newest ones are left out (`detached`) and only counted, for the node's journal has them. Pages lead back to older
 * lines and on again to the newest one; a jump begins anew with the lines around a place.
 *
 * No DOM, no socket: asking for pages and drawing are the screen's business.
 */

import type { Gap, Line, Page } from '../socket/output';
import { isLine, joins, type Item, type Mark } from './rows';

export interface Bounds {
  /** Lines while the newest one is followed. */
  followed: number;
  /** Lines while somebody reads further up. */
  read: number;
  /** Characters, in both cases. */
  chars: number;
}

export const PAGED: Bounds = { followed: 12_500, read: 20_000, chars: 8_000_000 };
/** Without pages the screen is all that there is. */
export const UNPAGED: Bounds = { followed: 20_000, read: 20_000, chars: 8_000_000 };

/** What the screen has to do after a change. */
export interface Change {
  /** These stand at the end now. */
  shown: Item[];
  /** More than that: the screen has to be written anew. */
  anew: boolean;
  /** Lines that came, shown or not. */
  lines: number;
}

type Arrival = Item | { gap: Gap };

export class Transcript {
  bounds = UNPAGED;
  /** Whether pages can be asked for. */
  paged = false;
  #items: Item[] = [];
  #chars = 0;
  /** A page ends before this number; null where it is not known. */
  #oldest: number | null = null;
  #newest = 0;
  /** While detached: all lines up to this number are held. */
  #heldTo = 0;
  #atBegin = false;
  #detached = false;

  get items(): readonly Item[] {
    return this.#items;
  }

  /** Before which number older lines can be asked for; null where there are none, or none that can be asked for. */
  get olderThan(): number | null {
    return this.paged && !this.#atBegin ? this.#oldest : null;
  }

  /** Behind which number newer lines can be asked for; null where the newest one is held. */
  get newerThan(): number | null {
    return this.paged && this.#detached ? this.#heldTo : null;
  }

  /** Newer lines were left out: what is held does not reach to the newest one. */
  get detached(): boolean {
    return this.#detached;
  }

  /** How many rows of the terminal's logical ones the items fill. */
  rows(): number {
    return this.#items.reduce((rows, item, i) => rows + (joins(item, this.#items[i - 1]) ? 0 : 1), 0);
  }

  /** Index of the item with which a row begins. */
  itemOfRow(row: number): number {
    let at = -1;
    for (let i = 0; i < this.#items.length; i += 1) {
      if (!joins(this.#items[i] as Item, this.#items[i - 1])) at += 1;
      if (at === row) return i;
    }
    return this.#items.length;
  }

  /** The row in which an item stands. */
  rowOfItem(index: number): number {
    let row = -1;
    for (let i = 0; i <= index && i < this.#items.length; i += 1) if (!joins(this.#items[i] as Item, this.#items[i - 1])) row += 1;
    return row;
  }

  /** The next line's number, as the node says it. */
  began(next: number): void {
    if (!this.#items.some(isLine)) this.#oldest ??= next;
  }

  /** Adds what came. `reading`: the newest line is out of sight. */
  append(arrivals: readonly Arrival[], reading: boolean): Change {
    const change: Change = { shown: [], anew: false, lines: 0 };
    for (const arrival of arrivals) {
      if ('gap' in arrival) this.#appendGap(arrival.gap, reading, change);
      else this.#appendItem(arrival, reading, change);
    }
    if (!reading && !this.#detached) this.#dropOldest(this.bounds.followed);
    else if (!this.paged) this.#dropOldest(this.bounds.read);
    // More than is kept came at once: what is on the screen goes with it.
    if (change.shown.length > this.#items.length) change.anew = true;
    return change;
  }

  /** Adds older lines in front; false where they don't fit there (any more). `before` is what was asked for. */
  prepend(before: number, page: Page): boolean {
    if (before !== this.olderThan) return false;
    if (this.#items[0] && !isLine(this.#items[0]) && this.#items[0].passing) this.#items.shift();
    this.#items = [...(page.begin ? [edge(page.gone)] : []), ...page.lines, ...this.#items];
    this.#chars += sum(page.lines);
    this.#oldest = page.from;
    this.#atBegin = page.begin;
    this.#newest = Math.max(this.#newest, before - 1);
    // Room is made at the other end.
    let from = this.#items.length;
    while (from > 0 && (from > this.bounds.read || this.#chars > this.bounds.chars)) {
      from -= 1;
      this.#chars -= size(this.#items[from]);
    }
    if (from < this.#items.length) {
      this.#items.length = from;
      this.#detach();
    }
    return true;
  }

  /** Adds newer lines behind; false where they don't fit there (any more). `after` is what was asked for. */
  extend(after: number, page: Page): boolean {
    if (after !== this.newerThan) return false;
    if (page.gone > 0) this.#items.push(gapMark({ after, count: page.gone, reason: 'retention' }));
    this.#items.push(...page.lines);
    this.#chars += sum(page.lines);
    this.#reach(page.next - 1);
    // Room is made at the other end, also for what comes then.
    this.#dropOldest(this.bounds.followed);
    return true;
  }

  /** Begins anew with a page and the one behind it. */
  place(older: Page, newer: Page): void {
    this.#clear();
    this.#items = [...(older.begin ? [edge(older.gone)] : []), ...older.lines, ...newer.lines];
    this.#chars = sum(older.lines) + sum(newer.lines);
    this.#oldest = older.from;
    this.#atBegin = older.begin;
    this.#detached = true;
    this.#reach(newer.next - 1);
  }

  /** The line of this number, or the one in whose row it is shown. */
  lineAt(seq: number): Line | undefined {
    return this.#items.find((item): item is Line => isLine(item) && item.seq === seq);
  }

  /** Keeps the newest `rows` rows only: the screen has no others. */
  keepRows(rows: number): void {
    this.#drop(this.itemOfRow(Math.max(0, this.rows() - rows)));
  }

  /** Keeps what is kept while the newest line is followed. */
  follow(): void {
    this.#dropOldest(this.bounds.followed);
  }

  /** Begins at the newest line, with nothing above it yet. */
  toNewest(): void {
    this.#clear();
    this.#oldest = this.#newest + 1;
  }

  /** Another stream: all of it is forgotten. */
  restart(): void {
    this.#clear();
    this.#oldest = null;
    this.#newest = 0;
  }

  #appendItem(item: Item, reading: boolean, change: Change): void {
    if (isLine(item)) {
      // It may have come with a page.
      if (item.seq > 0 && item.seq <= this.#newest) return;
      change.lines += 1;
      if (item.seq > 0) {
        this.#oldest = Math.min(this.#oldest ?? item.seq, item.seq);
        this.#newest = Math.max(this.#newest, item.seq);
      }
    }
    const isFull = this.#items.length >= this.bounds.read || this.#chars >= this.bounds.chars;
    if (this.paged && reading && isFull && !this.#detached) this.#detach(isLine(item) && item.seq > 0 ? item.seq - 1 : this.#newest);
    if (this.#detached) return;
    this.#items.push(item);
    this.#chars += size(item);
    change.shown.push(item);
  }

  #appendGap(gap: Gap, reading: boolean, change: Change): void {
    const { after, count, reason } = gap;
    if (reason !== 'most') {
      this.#appendItem(gapMark(gap), reading, change);
      this.#newest = Math.max(this.#newest, after + count);
      return;
    }
    change.lines += count;
    this.#newest = Math.max(this.#newest, after + count);
    if (reading || this.#detached) {
      // The reader's place stays; what came is asked for when he reads on.
      if (!this.#detached) this.#detach(after);
      return;
    }
    this.#clear();
    this.#oldest = after + count + 1;
    this.#items.push({ kind: 'gap', label: 'Gap', text: `${lines(count)} came in between: scroll up to load them.`, passing: true });
    change.anew = true;
  }

  #dropOldest(most: number): void {
    // In steps, or each line would move all of them.
    const slack = Math.floor(most / 20);
    if (this.#items.length <= most + slack && this.#chars <= this.bounds.chars) return;
    let chars = this.#chars;
    let from = Math.max(0, this.#items.length - most);
    for (let i = 0; i < from; i += 1) chars -= size(this.#items[i]);
    while (chars > this.bounds.chars * 0.95 && from < this.#items.length) {
      chars -= size(this.#items[from]);
      from += 1;
    }
    this.#drop(from);
  }

  #drop(count: number): void {
    if (count <= 0) return;
    const gone = this.#items.splice(0, count);
    this.#chars -= sum(gone);
    this.#atBegin = false;
    const first = this.#items.find((item) => isLine(item) && item.seq > 0) as Line | undefined;
    this.#oldest = first?.seq ?? (this.paged ? this.#newest + 1 : null);
  }

  /** Newer lines are left out from here on; without a number, those behind the last one that is held. */
  #detach(heldTo = this.#lastSeq()): void {
    this.#detached = true;
    this.#heldTo = heldTo;
  }

  #lastSeq(): number {
    for (let i = this.#items.length - 1; i >= 0; i -= 1) {
      const item = this.#items[i] as Item;
      if (isLine(item) && item.seq > 0) return item.seq;
    }
    return (this.#oldest ?? 1) - 1;
  }

  /** All lines up to a number are held now; where none was left out behind it, the newest one is followed again. */
  #reach(seq: number): void {
    this.#heldTo = Math.max(seq, this.#heldTo);
    if (this.#heldTo < this.#newest) return;
    this.#newest = this.#heldTo;
    this.#detached = false;
  }

  #clear(): void {
    this.#heldTo = 0;
    this.#items = [];
    this.#chars = 0;
    this.#atBegin = false;
    this.#detached = false;
  }
}

/** A mark's own rows hardly count. */
function size(item: Item | undefined): number {
  return item && isLine(item) ? item.text.length : 0;
}

function sum(items: readonly Item[]): number {
  return items.reduce((chars, item) => chars + size(item), 0);
}

function lines(count: number): string {
  return count === 1 ? '1 line' : `${count.toLocaleString('en')} lines`;
}

function gapMark({ count, reason }: Gap): Mark {
  const are = count === 1 ? 'is' : 'are';
  const whys: Partial<Record<typeof reason, string>> = {
    retention: 'the journal does not hold them any more',
    disk: 'the node can’t read them from its disk',
    throttle: 'more came than the node’s view throttle shows',
  };
  const why = whys[reason] ?? `the node says “${reason}”`;
  return { kind: 'gap', label: 'Gap', text: `${lines(count)} ${are} missing here: ${why}.` };
}

function edge(gone: number): Mark {
  return { kind: 'edge', label: 'History', text: gone > 0 ? `Older lines are gone (${gone.toLocaleString('en')}): the journal does not hold them any more.` : 'This is the beginning of the history.' };
}
