/**
 * Turns the classic events `console output` and `stats`, and the replay that `send logs` brings, into lines for the
 * screen, each once, over any number of sockets. Lines have no numbers there: the seam is found by comparing text.
 *
 * Connecting, tokens and reconnecting are the session's business, drawing is the terminal's.
 */

import type { Clock, Timer } from './clock';
import type { Send } from './output';
import { joinReplay } from './replay';

/** Where lines go. */
export interface LineSink {
  lines(lines: string[]): void;
  /** A part of the output may be missing here. */
  gap(): void;
}

/** The replay counts as complete when no line came for this long ... */
export const QUIET_MS = 250;
/** ... or at the latest after this. A busy server is never quiet. */
export const LATEST_MS = 2_000;
/** Lines kept for finding the seam; replays hold 150 unless a node is set otherwise. */
const KEPT = 1_000;
/** Lines held back while the seam is looked for; at the bound the window is closed early. */
const MOST_HELD = 5_000;

/**
 * - `direct`: lines go to the screen as they come;
 * - `early`: between `auth success` and the first `stats`. These lines were sent live before the request for the
 *   replay was read, so the replay holds them once more;
 * - `window`: the replay is being collected.
 */
type Mode = 'direct' | 'early' | 'window';

export class ClassicStream {
  #mode: Mode = 'direct';
  /** The newest lines on the screen. */
  #shown: string[] = [];
  #everShown = false;
  #early: string[] = [];
  #held: string[] = [];
  #quiet: Timer | undefined;
  #latest: Timer | undefined;

  constructor(
    readonly clock: Clock,
    readonly sink: LineSink,
  ) {}

  /** The first `auth success` on a new socket. A refreshed token is none. */
  authenticated(send: Send): void {
    this.#stopTimers();
    this.#early = [];
    this.#held = [];
    this.#mode = 'early';
    this.#latest = this.clock.after(LATEST_MS, () => this.#close());
    send('send stats');
    send('send logs');
  }

  /** One line, in the order of arrival. */
  line(text: string): void {
    if (this.#mode === 'direct') {
      this.#show([text]);
      return;
    }
    (this.#mode === 'early' ? this.#early : this.#held).push(text);
    if (this.#mode === 'window') this.#waitForQuiet();
    if (this.#early.length + this.#held.length >= MOST_HELD) this.#close();
  }

  /** A `stats` event: it also marks a place among the lines. */
  stats(): void {
    if (this.#mode !== 'early') return;
    if (!this.#everShown && this.#early.length === 0) {
      // An empty screen and nothing to compare: what comes is the replay, then live lines.
      this.#stopTimers();
      this.#mode = 'direct';
      return;
    }
    this.#mode = 'window';
    this.#waitForQuiet();
  }

  /** The socket is gone. */
  lost(): void {
    if (this.#mode === 'direct') return;
    // An unfinished replay is worth its fresh lines only where the seam is certain; the next socket brings it again.
    const { fresh, gap } = joinReplay(this.#shown, this.#replay());
    this.#stopTimers();
    this.#mode = 'direct';
    this.#early = [];
    this.#held = [];
    if (!gap) this.#show(fresh);
  }

  #waitForQuiet(): void {
    this.#quiet?.cancel();
    this.#quiet = this.clock.after(QUIET_MS, () => this.#close());
  }

  #close(): void {
    this.#stopTimers();
    const replay = this.#replay();
    this.#mode = 'direct';
    this.#early = [];
    this.#held = [];
    if (!this.#everShown) {
      this.#show(replay);
      return;
    }
    const { fresh, gap } = joinReplay(this.#shown, replay);
    if (gap) this.sink.gap();
    this.#show(fresh);
  }

  /** What was collected; the early lines are left out where the replay has them. */
  #replay(): string[] {
    return contains(this.#held, this.#early) ? this.#held : [...this.#early, ...this.#held];
  }

  #show(lines: string[]): void {
    if (lines.length === 0) return;
    this.#everShown = true;
    this.#shown.push(...lines);
    if (this.#shown.length > 2 * KEPT) this.#shown = this.#shown.slice(-KEPT);
    this.sink.lines(lines);
  }

  #stopTimers(): void {
    this.#quiet?.cancel();
    this.#latest?.cancel();
    this.#quiet = undefined;
    this.#latest = undefined;
  }
}

/** Whether `part` stands somewhere in `whole`, without a hole. Both are short. */
function contains(whole: readonly string[], part: readonly string[]): boolean {
  if (part.length === 0) return true;
  for (let at = whole.length - part.length; at >= 0; at -= 1) {
    if (part.every((line, i) => whole[at + i] === line)) return true;
  }
  return false;
}
