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
import { ConsoleSession, type Connection, type Notice, type SocketLike } from './socket/session';

/** What the terminal has to offer. */
export interface Screen {
  lines(lines: string[]): void;
  /** A mark between lines, drawn by the console and not by the output. */
  mark(kind: Notice['kind'], text: string): void;
}

export interface ShownNotice extends Notice {
  id: number;
  at: number;
}

/** Notices on show; older ones go. They also stand as marks in the terminal. */
const MOST_NOTICES = 4;

export class ServerConsole {
  connection = $state.raw<Connection>({ phase: 'connecting' });
  state = $state<PowerState | null>(null);
  stats = $state.raw<Stats | null>(null);
  series = $state.raw<Series>(new Figures().series());
  notices = $state.raw<ShownNotice[]>([]);
  suspended = $state(false);

  readonly mayConnect: boolean;
  readonly mayType: boolean;
  readonly #figures = new Figures();
  #session: ConsoleSession | undefined;
  #poller: Poller | undefined;
  #screen: Screen | undefined;
  #noticeId = 0;

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
    addEventListener('online', wake);
    if (this.mayConnect) this.#startSession();
    else this.#startPolling();
    return () => {
      document.removeEventListener('visibilitychange', wake);
      removeEventListener('online', wake);
      this.#session?.stop();
      this.#poller?.stop();
    };
  }

  reconnect(): void {
    this.#session?.start();
    this.#poller?.hurry();
  }

  /** Null where it was sent, else why not. */
  command(text: string): string | null {
    if (this.#session?.command(text)) return null;
    return 'Not sent: the console is not connected. Your text is still here; send it again once it says "Live".';
  }

  async power(action: PowerAction): Promise<void> {
    if (this.#session?.power(action)) return;
    try {
      await api.power(this.server.identifier, action);
      this.#poller?.hurry();
    } catch (error) {
      this.#failed(error, `"${action}" was not carried out`);
    }
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  notify(notice: Notice): void {
    this.#noticeId += 1;
    this.notices = [...this.notices, { ...notice, id: this.#noticeId, at: Date.now() }].slice(-MOST_NOTICES);
    this.#screen?.mark(notice.kind, notice.text);
  }

  #startSession(): void {
    this.#session = new ConsoleSession(
      {
        clock: systemClock,
        random: Math.random,
        credentials: () => api.credentials(this.server.identifier),
        open: (url) => new WebSocket(url) as unknown as SocketLike,
      },
      {
        connection: (connection) => this.#connected(connection),
        lines: (lines) => this.#screen?.lines(lines),
        notice: (notice) => this.notify(notice),
        state: (state) => (this.state = state),
        stats: (stats) => this.#measured(stats),
        signedOut: () => account.ended(),
      },
    );
    this.#session.start();
  }

  #connected(connection: Connection): void {
    const before = this.connection.phase;
    this.connection = connection;
    if (before === 'live' && connection.phase === 'waiting') this.#screen?.mark('info', `Connection lost: ${connection.reason}`);
    if (connection.phase === 'ended') this.#screen?.mark('error', `Console ended: ${connection.reason}`);
  }

  #startPolling(): void {
    this.#poller = new Poller({
      clock: systemClock,
      pace: 2_000,
      slowest: 30_000,
      ask: async () => {
        try {
          const { stats, suspended } = await api.resources(this.server.identifier);
          this.suspended = suspended;
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

  #failed(error: unknown, what: string): void {
    if (error instanceof api.Problem && error.status === 401) account.ended();
    this.notify({ kind: 'error', text: `${what}: ${error instanceof Error ? error.message : String(error)}` });
  }
}
