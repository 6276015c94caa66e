/** The session's surroundings in tests: a node and a panel that are moved by hand. */

import { ManualClock, settle } from './clock';
import type { PowerState, Stats } from './events';
import type { Pager, Presence, Searcher } from './output';
import type { Connection, Credentials, Notice, SocketLike } from './parts';
import { ConsoleSession } from './session';

/** The node's end of a socket, moved by hand. */
export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  sent: { event: string; args: unknown[] }[] = [];
  closedWith: number | undefined;
  protocol = '';

  constructor(
    readonly url: string,
    readonly offered: string[],
  ) {}
  send(data: string) {
    this.sent.push(JSON.parse(data));
  }
  close(code?: number) {
    this.closedWith = code;
  }
  says(event: string, ...args: unknown[]) {
    this.onmessage?.({ data: JSON.stringify(args.length > 0 ? { event, args } : { event }) });
  }
  prints(...lines: string[]) {
    for (const line of lines) this.says('console output', line);
  }
  names() {
    return this.sent.map((message) => message.event);
  }
}

export const URL_A = 'ws://node.test/api/servers/a/ws';
export const granted = (token: string, socket = URL_A): Credentials => ({ kind: 'granted', token, socket });
export const line = (n: number) => `line ${n} of the server`;
export const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));

export class World {
  clock = new ManualClock();
  sockets: FakeSocket[] = [];
  answers: Credentials[] = [];
  asked = 0;
  connections: Connection[] = [];
  screen: string[] = [];
  notices: Notice[] = [];
  states: PowerState[] = [];
  stats: Stats[] = [];
  signedOut = 0;
  pager: Pager | null = null;
  searcher: Searcher | null = null;
  presence: Presence | null = null;
  session = new ConsoleSession(
    {
      clock: this.clock,
      random: () => 0.5,
      credentials: () => {
        this.asked += 1;
        return Promise.resolve(this.answers.shift() ?? granted(`token ${this.asked}`));
      },
      open: (url, offered) => {
        const socket = new FakeSocket(url, offered);
        this.sockets.push(socket);
        return socket;
      },
    },
    {
      connection: (connection) => this.connections.push(connection),
      pages: (pager) => (this.pager = pager),
      searches: (searcher) => (this.searcher = searcher),
      began: () => undefined,
      lines: (lines) => this.screen.push(...lines.map((line) => line.text)),
      gap: ({ count, reason }) => this.screen.push(`<${count} ${reason}>`),
      anew: () => this.screen.splice(0),
      typed: ({ user, text }) => this.screen.push(`> ${user}: ${text}`),
      presence: (presence) => (this.presence = presence),
      notice: (notice) => {
        this.notices.push(notice);
        if (notice.kind === 'gap') this.screen.push('<gap>');
      },
      state: (state) => this.states.push(state),
      stats: (stats) => this.stats.push(stats),
      signedOut: () => (this.signedOut += 1),
    },
  );

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }
  get now(): Connection {
    return this.session.connection;
  }
  /** Until `auth` was accepted and the first figures came. */
  async live(...replay: string[]) {
    this.session.start();
    await settle();
    await this.accept(...replay);
  }
  async accept(...replay: string[]) {
    this.socket.onopen?.();
    this.socket.says('auth success');
    this.socket.says('status', 'running');
    this.socket.says('stats', '{"cpu_absolute":1}');
    this.socket.prints(...replay);
    await this.clock.advance(300);
  }
  async cut(code: number, reason = '') {
    this.socket.onclose?.({ code, reason });
    await settle();
  }
}
