/** What a session needs from its surroundings, and what it tells them. */

import type { Clock } from './clock';
import type { PowerState, Stats } from './events';
import type { Gap, Line, Pager, Presence, Searcher, Typed } from './output';

/** What the panel answered to the request for credentials. */
export type Credentials =
  | { kind: 'granted'; token: string; socket: string }
  /** The node answers, and does not know the server. */
  | { kind: 'unavailable'; message: string; diagnostics: Record<string, string | null> }
  /** A refusal that a retry would not change: no session, no right, no such server, suspended. */
  | { kind: 'refused'; reason: string; status: number }
  /** Worth another try: the panel or the node cannot be reached, or asks for patience. */
  | { kind: 'failed'; reason: string; retryAfterMs?: number };

export type Connection =
  | { phase: 'connecting' }
  | { phase: 'live' }
  | { phase: 'waiting'; until: number; reason: string }
  | { phase: 'unavailable'; until: number; message: string; diagnostics: Record<string, string | null> }
  | { phase: 'ended'; reason: string };

/** A word to this viewer that is not the server's output. */
export interface Notice {
  kind: 'daemon' | 'error' | 'gap' | 'info';
  text: string;
}

export interface SessionSink {
  connection(connection: Connection): void;
  /** How older lines are read; null where the node's protocol has no pages. Said before the first line. */
  pages(pager: Pager | null): void;
  /** How the whole history is searched; null where the node's protocol can't. Said with the pages. */
  searches(searcher: Searcher | null): void;
  /** The number that the next line will get. */
  began(next: number): void;
  lines(lines: Line[]): void;
  gap(gap: Gap): void;
  /** Forget all lines; the text says why, or is empty. */
  anew(why: string): void;
  typed(typed: Typed): void;
  presence(presence: Presence | null): void;
  notice(notice: Notice): void;
  state(state: PowerState): void;
  stats(stats: Stats): void;
  /** The panel says that nobody is signed in any more. */
  signedOut(): void;
}

/** The part of a browser's WebSocket that is used. */
export interface SocketLike {
  /** The subprotocol that the node's answer named, once it is open. */
  readonly protocol: string;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export interface SessionParts {
  clock: Clock;
  random: () => number;
  credentials: () => Promise<Credentials>;
  open: (url: string, protocols: string[]) => SocketLike;
}
