/**
 * What a session hands on of a server's output, whichever protocol brought it, and the seam between the session and
 * the two protocols: `ClassicDialect` and `NumberedDialect` (`roost.v1`).
 *
 * Connecting, tokens and reconnecting are the session's business; what is kept and how it is drawn, the terminal's.
 */

export type Source = 'output' | 'daemon' | 'install';

/** A flag of a line: it goes on where the one before it, of the same source, broke off. */
export const CONTINUED = 1;
/** A flag of a line: it is not ended, its rest follows. */
export const OPEN = 2;

export interface Line {
  /** Its number in the journal; 0 where the protocol has none. */
  seq: number;
  /** Milliseconds since the epoch; 0 where the protocol does not say. */
  time: number;
  text: string;
  source: Source;
  flags: number;
}

export type GapReason = 'retention' | 'disk' | 'throttle' | 'most' | 'unknown_stream' | 'after_end';

/** Lines that are missing: `count` of them behind number `after`. */
export interface Gap {
  after: number;
  count: number;
  reason: GapReason;
}

/** A command that somebody handed to the server. */
export interface Typed {
  user: string;
  text: string;
  time: number;
}

export interface Presence {
  sockets: number;
  users: { user: string; sockets: number }[];
}

/** Where a page is: before a number, or behind one. */
export type Place = { before: number } | { after: number };

/** A piece of the history: all that the viewer may see from number `from` on and before `next`. */
export interface Page {
  from: number;
  next: number;
  /** Nothing stands before `from`. */
  begin: boolean;
  /** How many lines before `from` are gone; of a page behind a number, how many behind that one. */
  gone: number;
  lines: Line[];
}

/** Reads a page; a text where that was not possible, for people. */
export type Pager = (place: Place, lines: number) => Promise<Page | string>;

export interface SearchQuery {
  text: string;
  /** The text is a regular expression. */
  regex: boolean;
  /** Capitals matter. */
  exact: boolean;
}

/** A line that was looked for: what stands before the place, the place, and what stands behind it. */
export interface FoundLine {
  seq: number;
  time: number;
  source: Source;
  text: [string, string, string];
}

/** All that was found from number `from` on and before `next`, newest first. */
export interface Found {
  from: number;
  next: number;
  /** Where the history begins for this viewer. */
  first: number;
  /** Nothing is left to look through. */
  begin: boolean;
  lines: FoundLine[];
}

/** Looks through the whole history of a server, one search at a time: a new one ends the one before. */
export interface Searcher {
  /** Lines before a number, if one is given; a text where that was not possible, for people. */
  find(query: SearchQuery, before?: number): Promise<Found | string>;
  cancel(): void;
}

/** Where a dialect brings what it hears, in its order. */
export interface OutputSink {
  /** The number that the next line will get: where paging back begins if no line comes. */
  began(next: number): void;
  lines(lines: Line[]): void;
  gap(gap: Gap): void;
  /** What was shown is not this output's beginning: forget it. The text says why. */
  anew(why: string): void;
  typed(typed: Typed): void;
  presence(presence: Presence): void;
  /** The classic protocol can't count: something may be missing here. */
  unsure(): void;
  /** A word of the node that answers no request of ours. */
  refusal(reason: string): void;
}

/** Writes an event on the session's live socket; false where there is none. */
export type Send = (event: string, ...args: unknown[]) => boolean;

export interface Dialect {
  /** What goes with the first `auth` on a socket, beside the token. */
  begin(): unknown[];
  /** The first `auth success` on a socket, with its argument. A refreshed token is none. */
  authenticated(answer: unknown, send: Send): void;
  /** False where the event is none of this dialect's own. */
  heard(event: string, args: unknown[]): boolean;
  /** The socket is gone. */
  lost(): void;
  /** A command or a power action: null where it was carried out or handed on, else why not. */
  ask(event: 'send command' | 'set state', argument: string): Promise<string | null>;
  /** Absent where the protocol has no pages. */
  page?: Pager;
  /** The same for searching. */
  search?: Searcher;
}
