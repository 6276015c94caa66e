/**
 * `roost.v1`: lines with numbers. It remembers the last number that was handed on, so that the next socket goes on
 * behind it, and gives each request a name, so that its answer is found. Nothing is shown twice, whatever the node sends.
 *
 * Which lines are kept and drawn is the terminal's business.
 */

import type { Dialect, Found, Gap, Line, OutputSink, Page, Place, Searcher, SearchQuery, Send, Typed } from './output';
import { readBlock, readFound, readGap, readPage, readPlace, readPresence, readReason, readTyped } from './v1';

/** Lines of the past that a fresh page begins with: a few screens. */
export const FIRST_LINES = 500;
/** Lines of the past that come at once after a time away; more are paged back for. */
export const MOST_LINES = 5_000;
/** Found lines that are asked for at once. */
const FOUND_LINES = 100;
/** Commands that are remembered so that none is shown twice after a reconnect. */
const TYPED_KEPT = 200;

const LOST = 'The connection was lost before the node answered: look whether it was carried out.';
const OTHER_STREAM =
  'The machine went down before the last lines were safe, or the server’s journal was made anew. What the journal holds follows.';
const PAST_END = 'The node’s journal ends before the lines that were shown here. Its newest lines follow.';

export class NumberedDialect implements Dialect {
  #send: Send = () => false;
  /** The stream of the live socket. */
  #stream = '';
  /** The last line that was handed on. */
  #place: { stream: string; after: number } | null = null;
  #name = 0;
  readonly #asked = new Map<number, (reason: string | null) => void>();
  #page: { name: number; done: (page: Page | string) => void } | null = null;
  /** Pages are read one at a time. */
  #pages: Promise<unknown> = Promise.resolve();
  readonly #searches = new Map<number, (found: Found | string) => void>();
  #typed: string[] = [];

  readonly search: Searcher = {
    find: (query, before) => this.#find(query, before),
    cancel: () => void this.#send('cancel search'),
  };

  constructor(readonly sink: OutputSink) {}

  begin(): unknown[] {
    return [this.#place ? { ...this.#place, most: MOST_LINES } : { last: FIRST_LINES }];
  }

  authenticated(answer: unknown, send: Send): void {
    this.#send = send;
    const place = readPlace(answer);
    if (!place) return;
    this.#stream = place.stream;
    if (this.#place && this.#place.stream !== place.stream) this.#restart(OTHER_STREAM);
    this.sink.began(place.next);
  }

  heard(event: string, args: unknown[]): boolean {
    const [first, second] = args;
    switch (event) {
      case 'lines':
        this.#lines(readBlock(first) ?? []);
        return true;
      case 'gap':
        this.#gap(readGap(first));
        return true;
      case 'accepted':
        this.#answer(first, null);
        return true;
      case 'refused':
        if (!this.#searched(first, readReason(second))) this.#answer(first, `Not done. ${readReason(second)}`);
        return true;
      case 'found':
        this.#searched(first, readFound(second) ?? 'The node’s answer could not be read.');
        return true;
      case 'page':
        this.#paged(first, readPage(second) ?? 'The node’s answer could not be read.');
        return true;
      case 'typed':
        this.#someoneTyped(readTyped(first));
        return true;
      case 'presence': {
        const presence = readPresence(first);
        if (presence) this.sink.presence(presence);
        return true;
      }
      default:
        return false;
    }
  }

  lost(): void {
    this.#send = () => false;
    for (const done of this.#asked.values()) done(LOST);
    this.#asked.clear();
    this.#page?.done('The connection was lost.');
    this.#page = null;
    for (const done of this.#searches.values()) done('The connection was lost.');
    this.#searches.clear();
  }

  ask(event: 'send command' | 'set state', argument: string): Promise<string | null> {
    this.#name += 1;
    const name = this.#name;
    return new Promise((done) => {
      this.#asked.set(name, done);
      if (this.#send(event, argument, name)) return;
      this.#asked.delete(name);
      done(LOST);
    });
  }

  page(place: Place, lines: number): Promise<Page | string> {
    const turn = this.#pages.then(
      () =>
        new Promise<Page | string>((done) => {
          this.#name += 1;
          this.#page = { name: this.#name, done };
          if (this.#send('send page', { ...place, lines }, this.#name)) return;
          this.#page = null;
          done('The console is not connected.');
        }),
    );
    this.#pages = turn;
    return turn;
  }

  #find({ text, regex, exact }: SearchQuery, before?: number): Promise<Found | string> {
    this.#name += 1;
    const name = this.#name;
    const wanted = { ...(regex ? { regex: text } : { text }), case: exact, most: FOUND_LINES, ...(before === undefined ? {} : { before }) };
    return new Promise((done) => {
      this.#searches.set(name, done);
      if (this.#send('send search', wanted, name)) return;
      this.#searches.delete(name);
      done('The console is not connected.');
    });
  }

  /** False where that is no search's name. */
  #searched(name: unknown, found: Found | string): boolean {
    const done = typeof name === 'number' ? this.#searches.get(name) : undefined;
    if (!done) return false;
    this.#searches.delete(name as number);
    done(found);
    return true;
  }

  #lines(lines: Line[]): void {
    const after = this.#place?.after ?? 0;
    const fresh = lines.filter((line) => line.seq > after);
    const last = fresh.at(-1);
    if (!last) return;
    this.#place = { stream: this.#stream, after: last.seq };
    this.sink.lines(fresh);
  }

  #gap(gap: Gap | null): void {
    if (!gap) return;
    if (gap.reason === 'unknown_stream' || gap.reason === 'after_end') {
      // After another `stream` in `auth success` it has happened already.
      if (this.#place) this.#restart(gap.reason === 'after_end' ? PAST_END : OTHER_STREAM);
      return;
    }
    const end = gap.after + gap.count;
    const after = this.#place?.after ?? 0;
    if (end <= after) return;
    this.#place = { stream: this.#stream, after: end };
    this.sink.gap({ ...gap, after: Math.max(gap.after, after), count: end - Math.max(gap.after, after) });
  }

  #restart(why: string): void {
    this.#place = null;
    this.#typed = [];
    this.sink.anew(why);
  }

  #answer(name: unknown, reason: string | null): void {
    if (typeof name === 'number' && this.#page?.name === name) {
      this.#paged(name, reason ?? '');
      return;
    }
    const done = typeof name === 'number' ? this.#asked.get(name) : undefined;
    if (done) {
      this.#asked.delete(name as number);
      done(reason);
    } else if (reason !== null) {
      this.sink.refusal(reason);
    }
  }

  #paged(name: unknown, page: Page | string): void {
    if (this.#page?.name !== name) return;
    const { done } = this.#page as { done: (page: Page | string) => void };
    this.#page = null;
    done(page);
  }

  /** A command has no number: after a reconnect the node may say the newest ones again. */
  #someoneTyped(typed: Typed | null): void {
    if (!typed) return;
    const key = `${typed.time} ${typed.user} ${typed.text}`;
    if (this.#typed.includes(key)) return;
    this.#typed = [...this.#typed, key].slice(-TYPED_KEPT);
    this.sink.typed(typed);
  }
}
