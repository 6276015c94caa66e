/**
 * One server's page as state: connection, power state, figures, notices. With the right to connect it holds a
 * `ConsoleSession`; without it the same fields are fed by polling the REST API. Views read the fields and call the
 * methods; they know neither socket nor polling.
 */

import * as api from './api';
import { account } from './account.svelte';
import { Figures, type Series } from './figures';
import { allows } from './permissions';
import { Poller } from './poller';
import { systemClock } from './socket/clock';
import type { PowerAction, PowerState, Stats } from './socket/events';
import type { Gap, Line, Pager, Presence, Searcher } from './socket/output';
import type { Connection, Notice, SocketLike } from './socket/parts';
import { ConsoleSession } from './socket/session';
import type { Mark } from './terminal/rows';

/** What the terminal has to offer. */
export interface Screen {
  /** How older lines are read; null where the node can't be asked for them. */
  pages(pager: Pager | null): void;
  began(next: number): void;
  lines(lines: Line[]): void;
  gap(gap: Gap): void;
  /** Forgets all lines. */
  anew(): void;
  /** A row between lines, drawn by the console and not by the output. */
  mark(mark: Mark): void;
}

export interface ShownNotice extends Notice {
  id: number;
  at: number;
}

/** Who speaks in a row of the console's own. */
const LABELS: Record<Notice['kind'], string> = { daemon: 'Node', gap: 'Gap', error: 'Roost', info: 'Roost' };
/** Notices on show; older ones go. They also stand as marks in the terminal. */
const MOST_NOTICES = 4;
/** Between looks at the clock: where five of them pass at once, the machine slept. */
const JUMP_LOOK_MS = 2_000;
/** The panel may answer with what it knew a second before. */
const END_AFTER_MS = 1_100;

export class ServerConsole {
  connection = $state.raw<Connection>({ phase: 'connecting' });
  state = $state<PowerState | null>(null);
  stats = $state.raw<Stats | null>(null);
  series = $state.raw<Series>(new Figures().series());
  notices = $state.raw<ShownNotice[]>([]);
  suspended = $state(false);
  /** How the last run ended, where that is known. */
  lastEnd = $state.raw<api.LastEnd | null>(null);
  /** Who watches; null where the node does not say. */
  presence = $state.raw<Presence | null>(null);
  /** Whether the lines have times. */
  hasTimes = $state(false);
  /** How the whole history is searched; null where the node can't. */
  searcher = $state.raw<Searcher | null>(null);

  readonly mayConnect: boolean;
  readonly mayType: boolean;
  readonly #figures = new Figures();
  #session: ConsoleSession | undefined;
  #poller: Poller | undefined;
  #screen: Screen | undefined;
  #noticeId = 0;
  #endTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly server: api.ServerDetail) {
    this.mayConnect = allows(server.permissions, 'websocket.connect');
    this.mayType = this.mayConnect && allows(server.permissions, 'control.console');
    this.suspended = server.suspended;
  }

  /** Begins to listen; `screen` is absent where there is no terminal to show. Returns the undoing. */
  start(screen?: Screen): () => void {
    this.#screen = screen;
    const wake = () => {
      if (document.hidden) this.#poller?.stop();
      else {
        this.#session?.wake();
        this.#poller?.start();
      }
    };
    document.addEventListener('visibilitychange', wake);
    document.addEventListener('resume', wake);
    addEventListener('online', wake);
    // A machine that wakes up may tell the page nothing: timers just come late.
    let seen = Date.now();
    const jumps = setInterval(() => {
      const slept = Date.now() - seen > 5 * JUMP_LOOK_MS;
      seen = Date.now();
      if (slept && !document.hidden) wake();
    }, JUMP_LOOK_MS);
    if (this.mayConnect) this.#startSession();
    else this.#startPolling();
    return () => {
      document.removeEventListener('visibilitychange', wake);
      document.removeEventListener('resume', wake);
      removeEventListener('online', wake);
      clearInterval(jumps);
      clearTimeout(this.#endTimer);
      this.#session?.stop();
      this.#poller?.stop();
    };
  }

  reconnect(): void {
    this.#session?.start();
    this.#poller?.hurry();
  }

  /** Null where it was carried out (or the node can't say), else why not. */
  command(text: string): Promise<string | null> {
    return this.#session?.command(text) ?? Promise.resolve('Not sent: the console is not connected. Send it again once it says "Live".');
  }

  /** The same; without a live socket it goes through the panel. */
  async power(action: PowerAction): Promise<string | null> {
    const answer = this.#session?.power(action);
    if (answer) return answer;
    try {
      await api.power(this.server.identifier, action);
      this.#poller?.hurry();
      return null;
    } catch (error) {
      if (error instanceof api.Problem && error.status === 401) account.ended();
      return error instanceof Error ? error.message : String(error);
    }
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  notify(notice: Notice): void {
    this.#noticeId += 1;
    this.notices = [...this.notices, { ...notice, id: this.#noticeId, at: Date.now() }].slice(-MOST_NOTICES);
    this.#mark(notice.kind, notice.text);
  }

  #mark(kind: Notice['kind'], text: string): void {
    this.#screen?.mark({ kind, text, label: LABELS[kind] });
  }

  #startSession(): void {
    this.#session = new ConsoleSession(
      {
        clock: systemClock,
        random: Math.random,
        credentials: () => api.credentials(this.server.identifier),
        open: (url, protocols) => new WebSocket(url, protocols) as unknown as SocketLike,
      },
      {
        connection: (connection) => this.#connected(connection),
        pages: (pager) => {
          this.hasTimes = pager !== null;
          this.#screen?.pages(pager);
        },
        searches: (searcher) => (this.searcher = searcher),
        began: (next) => this.#screen?.began(next),
        lines: (lines) => this.#screen?.lines(lines),
        gap: (gap) => this.#screen?.gap(gap),
        anew: (why) => {
          this.#screen?.anew();
          if (why !== '') this.#mark('gap', why);
        },
        typed: ({ user, text }) => this.#screen?.mark({ kind: 'typed', label: `> ${user || 'somebody'}`, text }),
        presence: (presence) => (this.presence = presence),
        notice: (notice) => this.notify(notice),
        state: (state) => this.#became(state),
        stats: (stats) => this.#measured(stats),
        signedOut: () => account.ended(),
      },
    );
    this.#session.start();
  }

  #connected(connection: Connection): void {
    const before = this.connection.phase;
    this.connection = connection;
    // Where the next socket goes on without a hole, the status line's word is enough.
    if (before === 'live' && connection.phase === 'waiting' && !this.hasTimes) this.#mark('info', `Connection lost: ${connection.reason}`);
    if (connection.phase === 'ended') this.#mark('error', `Console ended: ${connection.reason}`);
  }

  #became(state: PowerState): void {
    this.state = state;
    clearTimeout(this.#endTimer);
    if (state === 'offline') this.#endTimer = setTimeout(() => void this.#askForEnd(), END_AFTER_MS);
  }

  async #askForEnd(): Promise<void> {
    try {
      this.lastEnd = (await api.resources(this.server.identifier)).lastEnd;
    } catch {
      // It stands in the console as well.
      this.lastEnd = null;
    }
  }

  #startPolling(): void {
    this.#poller = new Poller({
      clock: systemClock,
      pace: 2_000,
      slowest: 30_000,
      ask: async () => {
        try {
          const { stats, suspended, lastEnd } = await api.resources(this.server.identifier);
          this.suspended = suspended;
          this.lastEnd = lastEnd;
          this.#measured(stats);
          this.connection = { phase: 'live' };
          return true;
        } catch (error) {
          if (error instanceof api.Problem && error.status === 401) account.ended();
          const reason = error instanceof Error ? error.message : String(error);
          this.connection = { phase: 'waiting', until: 0, reason };
          throw error;
        }
      },
    });
    this.#poller.start();
  }

  #measured(stats: Stats): void {
    this.stats = stats;
    if (stats.state) this.state = stats.state;
    this.#figures.add(stats, Date.now());
    this.series = this.#figures.series();
  }
}
