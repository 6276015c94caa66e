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

/** Older lines: all that the viewer may see from number `from` up to the one that was asked for. */
export interface Page {
  from: number;
  /** Nothing stands before `from`. */
  begin: boolean;
  /** How many lines before `from` are gone. */
  gone: number;
  lines: Line[];
}

/** Reads the lines before a number; a text where that was not possible, for people. */
export type Pager = (before: number, lines: number) => Promise<Page | string>;

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
}
