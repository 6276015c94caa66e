/**
 * The terminal on the page: xterm with what a console needs around it. Items come in, are made harmless and are
 * written in batches; marks of the console's own are drawn over their row in a way that output can't imitate. At its
 * ends it asks for older or newer lines and writes itself anew with them, the reader's line staying where it is; it can
 * jump to any line of the history. Nothing
 * that the terminal would like to send goes anywhere: its input is off and nobody listens to it.
 *
 * Which lines are kept is `Transcript`'s business, what they look like `RowWriter`'s; keys, links and the clipboard are
 * in `controls.ts`.
 */

import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal, type IDisposable } from '@xterm/xterm';
import type { Gap, Line, Pager } from '../socket/output';
import { keyHandler, openLink, webTarget } from './controls';
import { harmless } from './filter';
import { rowAt, textOf, writtenRows, yOfRow } from './layout';
import { cover, drawMark, markRow } from './marks';
import { MATCH, PALETTES } from './palette';
import { isLine, RowWriter, type Item, type Mark } from './rows';
import { PAGED, Transcript, UNPAGED } from './transcript';

/** Rows above the screen while the newest line is followed: with pages fewer, the node has the others. */
const FOLLOWED_ROWS = { paged: 12_000, unpaged: 20_000 };
/** Items are written together after this many milliseconds. */
const BATCH_MS = 16;
/** Waiting items at which they are written at once ... */
const MOST_PENDING = 20_000;
/** ... and, where that can't be, at which they are gone through and only what is kept is written later. */
const MOST_WAITING = 100_000;
/** Lines of a page. */
const PAGE_LINES = 1_000;
/** Characters that the terminal is given at once; between them it lets the page breathe. */
const CHUNK = 64_000;
/** Lines before and behind a place that is jumped to. */
const AROUND = 500;
/** After a page that could not be read. */
const PAGE_PAUSE_MS = 2_000;
const CLEAR = '\u001b[0m\u001b[H\u001b[2J\u001b[3J';
/** Synchronized output: nothing is drawn in between. */
const HOLD = '\u001b[?2026h';
const SHOW = '\u001b[?2026l';
const DETACHED: Mark = { kind: 'edge', label: 'History', text: 'Newer lines are not loaded here yet: scroll on, or jump to the latest one.' };

export interface ScreenEvents {
  /** Whether the newest line is in sight, and how many came since it was last. */
  scrolled(atLatest: boolean, unseen: number): void;
  /** Lines are being read. */
  loading(on: boolean): void;
  /** Why lines can't be read. */
  trouble(reason: string): void;
  /** The target of the link under the pointer. */
  link(target: string | null): void;
  matches(index: number, count: number): void;
  /** Ctrl+F or Cmd+F was pressed in the terminal. */
  wantsSearch(): void;
  copied(): void;
}

export interface ScreenLook {
  theme: 'light' | 'dark';
  fontSize: number;
  screenReader: boolean;
  /** The time before each line that has one. */
  times: boolean;
}

/** How what is loaded is searched. */
export interface Find {
  regex: boolean;
  exact: boolean;
}

/** A line of the history, and what in it is to be marked. */
export interface Aim {
  seq: number;
  mark: string;
}

export class TerminalScreen {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon({ highlightLimit: 500 });
  readonly #observer: ResizeObserver;
  readonly #transcript = new Transcript();
  #writer: RowWriter;
  #pager: Pager | null = null;
  #pending: (Item | { gap: Gap })[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the terminal shows is not what the transcript holds: it has to be written anew. */
  #stale = false;
  /** The terminal is being written anew, or measured: what comes waits. */
  #busy = false;
  /** Older lines are being read. */
  #loading = false;
  /** The jump to the newest line waits for its page. */
  #jumping = false;
  #pagesFrom = 0;
  /** The newest line is out of sight. */
  #reading = false;
  #hasTail = false;
  #unseen = 0;
  #look: ScreenLook;
  /** Where a jump leads to, and the one that is under way. */
  #aim: Aim | null = null;
  #approach: Promise<void> | undefined;
  /** The line that is marked, and its mark. */
  #hit: Aim | null = null;
  #hitMarks: IDisposable[] = [];
  #disposed = false;
  /** What has the terminal for itself, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    element: HTMLElement,
    look: ScreenLook,
    readonly events: ScreenEvents,
  ) {
    this.#look = look;
    this.#writer = new RowWriter(look.times, Date.now);
    this.#terminal = new Terminal({
      allowProposedApi: true,
      convertEol: true,
      cursorBlink: false,
      cursorInactiveStyle: 'none',
      disableStdin: true,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--font-mono'),
      fontSize: look.fontSize,
      lineHeight: 1.25,
      minimumContrastRatio: 4.5,
      screenReaderMode: look.screenReader,
      scrollback: FOLLOWED_ROWS.unpaged,
      smoothScrollDuration: 0,
      theme: PALETTES[look.theme],
      // The filter lets no OSC 8 through; should one ever come, it opens nothing.
      linkHandler: { activate: () => undefined },
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.loadAddon(this.#search);
    this.#terminal.loadAddon(new Unicode11Addon());
    this.#terminal.unicode.activeVersion = '11';
    this.#terminal.loadAddon(new WebLinksAddon((_, uri) => openLink(uri), { hover: (_, uri) => events.link(webTarget(uri)), leave: () => events.link(null) }));
    this.#terminal.open(element);
    this.#terminal.attachCustomKeyEventHandler(keyHandler(this.#terminal, { wantsSearch: () => events.wantsSearch(), copied: () => events.copied(), lookedUp: () => this.#lookedUp(), lookedDown: () => this.#lookedDown() }));
    // At the very top a wheel scrolls nothing, and xterm says nothing.
    element.addEventListener('wheel', (event) => (event.deltaY < 0 ? this.#lookedUp() : this.#lookedDown()), { passive: true, capture: true });
    this.#terminal.onScroll(() => this.#scrolled());
    this.#terminal.onWriteParsed(() => this.#scrolled());
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) => events.matches(resultIndex, resultCount));
    this.#observer = new ResizeObserver(() => this.#fit.fit());
    this.#observer.observe(element);
    // The hidden field of the terminal takes no text: it is there for selection and scrolling only.
    const field = element.querySelector('textarea');
    field?.setAttribute('aria-label', 'Console output. Scroll with the arrow and page keys; Control F searches.');
    field?.setAttribute('readonly', '');
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#observer.disconnect();
    this.#terminal.dispose();
  }

  /** How older lines are read; null where they can't be. */
  pages(pager: Pager | null): void {
    this.#pager = pager;
    this.#transcript.paged = pager !== null;
    this.#transcript.bounds = pager ? PAGED : UNPAGED;
    this.#bound();
  }

  began(next: number): void {
    this.#transcript.began(next);
  }

  lines(lines: Line[]): void {
    this.#add(...lines);
  }

  gap(gap: Gap): void {
    this.#add({ gap });
  }

  mark(mark: Mark): void {
    this.#add(mark);
  }

  /** Forgets all of it; the next things are the first. */
  anew(): void {
    this.#pending = [];
    this.#transcript.restart();
    this.#stale = true;
    this.#soon();
  }

  look(look: ScreenLook): void {
    const before = this.#look;
    this.#look = look;
    this.#terminal.options.theme = PALETTES[look.theme];
    this.#terminal.options.screenReaderMode = look.screenReader;
    if (before.fontSize !== look.fontSize) {
      this.#terminal.options.fontSize = look.fontSize;
      this.#fit.fit();
    }
    if (before.times !== look.times) void this.#rewrite(() => undefined);
  }

  /** Back to the newest line; where it is not held, the node is asked for it. */
  toLatest(): void {
    if (this.#transcript.detached) void this.#jump();
    else this.#terminal.scrollToBottom();
    this.#scrolled();
  }

  page(direction: 1 | -1): void {
    this.#terminal.scrollPages(direction);
    if (direction < 0) this.#lookedUp();
    else this.#lookedDown();
  }

  focus(): void {
    this.#terminal.focus();
  }

  /** Looks for a text in what is loaded. */
  find(term: string, back: boolean, { regex, exact }: Find, incremental = false): void {
    if (term === '') {
      this.clearSearch();
      this.events.matches(-1, 0);
      return;
    }
    const { match, active, ruler } = MATCH[this.#look.theme];
    const decorations = { matchBackground: match, activeMatchBackground: active, matchOverviewRuler: ruler, activeMatchColorOverviewRuler: ruler };
    const options = { incremental, regex, caseSensitive: exact, decorations };
    if (back) this.#search.findPrevious(term, options);
    else this.#search.findNext(term, options);
  }

  /** Brings a line of the history into sight and marks it; the lines around it are read if they are not held. */
  jumpTo(aim: Aim): Promise<void> {
    this.#aim = aim;
    this.#approach ??= this.#approachAll().finally(() => (this.#approach = undefined));
    return this.#approach;
  }

  clearSearch(): void {
    this.#aim = this.#hit = null;
    this.#unmark();
    this.#search.clearDecorations();
    this.#terminal.clearSelection();
  }

  /** What is selected, or else everything that can be scrolled to. */
  text(): { text: string; selected: boolean } {
    if (this.#terminal.hasSelection()) return { text: this.#terminal.getSelection(), selected: true };
    return { text: textOf(this.#terminal.buffer.active), selected: false };
  }

  #add(...items: (Item | { gap: Gap })[]): void {
    for (const item of items) this.#pending.push(item);
    // A hidden page's timers are slow.
    if (this.#pending.length > MOST_PENDING && !this.#busy) this.#flush();
    else if (this.#pending.length > MOST_WAITING) {
      this.#take();
      this.#stale = true;
    }
    this.#soon();
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    // Whoever makes it busy comes back here.
    if (this.#busy || this.#jumping) return;
    const shown = this.#take();
    if (this.#stale) {
      void this.#rewrite(() => undefined);
      return;
    }
    this.#write(shown);
    if (!this.#transcript.detached) return;
    // What is left out writes nothing, and is counted.
    this.events.scrolled(false, this.#unseen);
    if (this.#hasTail) return;
    this.#hasTail = true;
    this.#write([DETACHED]);
  }

  /** Hands what waits to the transcript. */
  #take(): Item[] {
    const change = this.#transcript.append(this.#pending, this.#reading);
    this.#pending = [];
    if (this.#reading) this.#unseen += change.lines;
    // What is taken and not written at once has to be written with all the rest.
    if (change.anew || (this.#busy && change.shown.length > 0)) this.#stale = true;
    return change.shown;
  }

  #write(items: readonly Item[]): void {
    let batch = '';
    for (const item of items) {
      if (isLine(item)) batch += this.#writer.line(item);
      else {
        this.#terminal.write(batch + this.#writer.endRow());
        batch = '';
        this.#writeMark(item);
      }
      if (batch.length > CHUNK) {
        this.#terminal.write(batch);
        batch = '';
      }
    }
    if (batch !== '') this.#terminal.write(batch);
  }

  /** A row of plain text, so that it is copied, found and read aloud, and a box of the page's own drawn over it. */
  #writeMark(mark: Mark): void {
    const { label, text } = mark;
    const row = harmless(`${label}: ${text}`.replace(/[\r\n\t\b]+/g, ' ')).slice(0, Math.max(20, this.#terminal.cols - 1));
    this.#terminal.write(row, () => drawMark(this.#terminal, mark));
    this.#terminal.write('\u001b[0m\r\n');
  }

  #atBottom(): boolean {
    const buffer = this.#terminal.buffer.active;
    return buffer.viewportY >= buffer.baseY;
  }

  #scrolled(): void {
    // While it is written anew, its place means nothing.
    if (this.#busy || this.#jumping) return;
    const reading = this.#transcript.detached || !this.#atBottom();
    if (reading !== this.#reading) {
      this.#reading = reading;
      this.#unseen = reading ? this.#unseen : 0;
      if (!reading && this.#terminal.buffer.active.length > this.#followedRows + this.#terminal.rows) void this.#rewrite(() => this.#transcript.follow());
      else this.#bound();
    }
    this.events.scrolled(!reading, this.#unseen);
    const { viewportY, baseY } = this.#terminal.buffer.active;
    if (reading && viewportY < this.#terminal.rows && baseY > 0) this.#lookedUp();
    if (reading) this.#lookedDown();
  }

  get #followedRows(): number {
    return this.#pager ? FOLLOWED_ROWS.paged : FOLLOWED_ROWS.unpaged;
  }

  /** While somebody reads, the terminal drops no row by itself: all that is kept has its place. */
  #bound(): void {
    const rows = this.#reading && this.#pager ? PAGED.read + Math.ceil((2 * PAGED.chars) / this.#terminal.cols) : this.#followedRows;
    if (this.#terminal.options.scrollback !== rows) this.#terminal.options.scrollback = rows;
  }

  /** Somebody looks for what stands above. */
  #lookedUp(): void {
    if (this.#terminal.buffer.active.viewportY < this.#terminal.rows) void this.#older();
  }

  /** The same for what stands below. */
  #lookedDown(): void {
    const { viewportY, baseY } = this.#terminal.buffer.active;
    if (this.#transcript.newerThan !== null && baseY - viewportY < this.#terminal.rows) void this.#newer();
  }

  async #newer(): Promise<void> {
    const after = this.#transcript.newerThan;
    if (!this.#pager || this.#loading || this.#jumping || this.#busy || after === null || Date.now() < this.#pagesFrom) return;
    this.#loading = true;
    // What comes meanwhile waits: it may follow on the page.
    this.#jumping = true;
    this.events.loading(true);
    const page = await this.#pager({ after }, PAGE_LINES);
    if (this.#disposed) return;
    if (typeof page === 'string') this.#failed(page);
    else await this.#rewrite(() => this.#transcript.extend(after, page), 'stay');
    this.#jumping = this.#loading = false;
    this.events.loading(false);
    this.#soon();
    this.#scrolled();
  }

  #failed(reason: string): void {
    this.#pagesFrom = Date.now() + PAGE_PAUSE_MS;
    this.events.trouble(reason);
  }

  async #approachAll(): Promise<void> {
    while (this.#aim && !this.#disposed) {
      const aim = this.#aim;
      await this.#approachOne(aim);
      if (this.#aim === aim) this.#aim = null;
    }
  }

  async #approachOne(aim: Aim): Promise<void> {
    this.#hit = aim;
    await this.#alone(() => {
      this.#keepWhatIsShown();
      this.#showHit();
    });
    if (this.#transcript.lineAt(aim.seq) || !this.#pager) return;
    // A page that is under way has the terminal first.
    while ((this.#loading || this.#jumping) && !this.#disposed) await new Promise((done) => setTimeout(done, BATCH_MS));
    this.#loading = this.#jumping = true;
    this.events.loading(true);
    const older = await this.#pager({ before: aim.seq + 1 }, AROUND);
    const newer = typeof older === 'string' ? older : await this.#pager({ after: aim.seq }, AROUND);
    if (this.#disposed) return;
    if (typeof older === 'string' || typeof newer === 'string') {
      this.#failed(String(newer));
    } else if (this.#hit === aim) {
      this.#reading = true;
      await this.#rewrite(() => this.#transcript.place(older, newer), () => this.#showHit());
    }
    this.#jumping = this.#loading = false;
    this.events.loading(false);
    this.#soon();
    this.#scrolled();
  }

  /** Scrolls to the line that was jumped to, if it is held, and marks it. */
  #showHit(): void {
    const line = this.#hit && !this.#stale ? this.#transcript.lineAt(this.#hit.seq) : undefined;
    if (!line) return;
    this.#terminal.scrollToLine(Math.max(0, this.#yOf(line) - Math.floor(this.#terminal.rows / 3)));
    this.#mark();
  }

  /** Marks that line, wherever it stands now. */
  #mark(): void {
    this.#unmark();
    const line = this.#hit ? this.#transcript.lineAt(this.#hit.seq) : undefined;
    if (!this.#hit || !line) return;
    const { match, active } = MATCH[this.#look.theme];
    this.#hitMarks = markRow(this.#terminal, this.#yOf(line), this.#hit.mark, match, active);
  }

  #unmark(): void {
    for (const mark of this.#hitMarks) mark.dispose();
    this.#hitMarks = [];
  }

  async #older(): Promise<void> {
    if (!this.#pager || this.#loading || this.#jumping || this.#transcript.olderThan === null || Date.now() < this.#pagesFrom) return;
    this.#loading = true;
    this.events.loading(true);
    // The terminal may have dropped rows that are still kept.
    await this.#alone(() => this.#keepWhatIsShown());
    const before = this.#transcript.olderThan;
    const page = before === null ? null : await this.#pager({ before }, PAGE_LINES);
    if (this.#disposed) return;
    if (typeof page === 'string') {
      this.#failed(page);
    } else if (page !== null && before !== null) {
      await this.#rewrite(() => this.#transcript.prepend(before, page));
    }
    this.#loading = false;
    this.events.loading(false);
    // Where all lines of a page were none for this viewer, the next one is asked for.
    if (typeof page === 'object' && page?.lines.length === 0) this.#lookedUp();
  }

  async #jump(): Promise<void> {
    if (this.#jumping || !this.#pager) return;
    this.#jumping = true;
    this.#take();
    this.#transcript.toNewest();
    this.#unseen = 0;
    this.#stale = true;
    const before = this.#transcript.olderThan;
    const page = before === null ? '' : await this.#pager({ before }, PAGE_LINES);
    if (this.#disposed) return;
    if (typeof page !== 'string' && before !== null) this.#transcript.prepend(before, page);
    this.#jumping = false;
    this.#reading = false;
    await this.#rewrite(() => undefined);
  }

  /** Runs `act` when all that was written is in the terminal's rows, and nothing else comes in between. */
  #alone(act: () => void | Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#disposed) return;
      if (!this.#jumping && !this.#stale) this.#flush();
      this.#busy = true;
      try {
        await this.#written();
        if (!this.#disposed) await act();
      } finally {
        this.#busy = false;
      }
      if (this.#disposed) return;
      this.#scrolled();
      if (this.#stale || this.#pending.length > 0) this.#soon();
    });
    // A mistake in one turn is reported by whoever waits for it, and is not the next one's.
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #written(text = ''): Promise<void> {
    return new Promise((done) => this.#terminal.write(text, done));
  }

  /**
   * Changes the transcript and writes all of it anew, unseen, so that the reader's row stays where it is: `follow`, but
   * for who sees the last one, or `stay`, for him too. Or a function brings a row into sight.
   */
  #rewrite(change: () => unknown, then: 'follow' | 'stay' | (() => void) = 'follow'): Promise<void> {
    return this.#alone(async () => {
      const isGoal = typeof then === 'function';
      const anchor = isGoal || this.#stale || (then === 'follow' && this.#atBottom()) ? null : this.#anchor();
      const follows = !isGoal && anchor === null && !(this.#reading && this.#transcript.detached);
      change();
      this.#stale = false;
      // Those that were taken while it was busy are among the items.
      this.#writer = new RowWriter(this.#look.times, Date.now);
      // A reader's voice would read all of it.
      this.#terminal.options.screenReaderMode = false;
      const uncover = cover(this.#terminal);
      await this.#written(HOLD + CLEAR);
      this.#reading = !follows || this.#transcript.detached;
      this.#bound();
      this.#write(this.#transcript.items);
      this.#hasTail = this.#transcript.detached;
      if (this.#hasTail) this.#write([DETACHED]);
      await this.#written();
      this.#mark();
      if (isGoal) then();
      else if (anchor) this.#terminal.scrollToLine(this.#yOf(anchor.item) + anchor.offset);
      else this.#terminal.scrollToBottom();
      await this.#written(SHOW);
      uncover();
      this.#terminal.options.screenReaderMode = this.#look.screenReader;
    });
  }

  /** The item at the upper edge, and how many rows of it are above. */
  #anchor(): { item: Item; offset: number } | null {
    this.#keepWhatIsShown();
    const extra = this.#rows() - this.#transcript.rows();
    const { row, offset } = rowAt(this.#terminal.buffer.active, this.#terminal.buffer.active.viewportY);
    const item = this.#transcript.items[this.#transcript.itemOfRow(Math.max(0, row - extra))];
    return item ? { item, offset: row < extra ? 0 : offset } : null;
  }

  #yOf(item: Item): number {
    const row = this.#transcript.rowOfItem(Math.max(0, this.#transcript.items.indexOf(item)));
    return yOfRow(this.#terminal.buffer.active, Math.max(0, row));
  }

  /** Rows of items in the terminal. */
  #rows(): number {
    return writtenRows(this.#terminal.buffer.active, this.#writer.isOpen) - (this.#hasTail ? 1 : 0);
  }

  #keepWhatIsShown(): void {
    if (!this.#stale) this.#transcript.keepRows(this.#rows());
  }
}
