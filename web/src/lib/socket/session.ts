/**
 * A viewer's session on one server: credentials, socket, `auth`, token refresh, reconnect with growing pauses, and
 * the end. It survives any number of sockets; what it has to say goes to a `SessionSink`. It knows no DOM and no
 * Svelte: clock, socket, credentials and chance are arguments.
 *
 * It offers `roost.v1` and speaks what the node answers with. Output, requests and going on after a lost socket are the
 * dialect's business (`numbered.ts`, `classic.ts`), drawing is the view's.
 */

import { Backoff } from './backoff';
import { ClassicDialect } from './classic';
import type { Timer } from './clock';
import { closeWords, isFinal, plain } from './close';
import { encode, isPowerState, parseEvent, parseStats, type PowerAction } from './events';
import { NumberedDialect } from './numbered';
import type { Dialect, Found, OutputSink, Page, Place, SearchQuery } from './output';
import type { Connection, Credentials, SessionParts, SessionSink, SocketLike } from './parts';
import { SUBPROTOCOL } from './v1';

/** From the call of the panel's answer to `auth success`. */
const OPEN_DEADLINE_MS = 15_000;
/** After so much silence the node is asked for figures ... */
const SILENCE_MS = 45_000;
/** ... and has so long to say anything. */
const PROBE_MS = 10_000;
/** Between attempts to refresh a token that is about to end. */
const REFRESH_PAUSE_MS = 4_000;

/** Texts of `jwt error` that a fresh token mends. */
const MENDABLE = ['jwt: exp claim is invalid', 'jwt: created too far in past (denylist)', 'jwt expired'];

/** What nodes speak, by the address of their socket. */
type Spoken = 'v1' | 'classic';

export class ConsoleSession {
  readonly #backoff: Backoff;
  readonly #output: OutputSink;
  readonly #spoken = new Map<string, Spoken>();
  #dialect: { name: Spoken; is: Dialect } | undefined;
  #connection: Connection = { phase: 'connecting' };
  #socket: SocketLike | undefined;
  #url = '';
  #authenticated = false;
  #refreshing = false;
  #heardAt = 0;
  /** Counts attempts: an answer that belongs to an earlier one is dropped. */
  #attempt = 0;
  #retry: Timer | undefined;
  #deadline: Timer | undefined;
  #silence: Timer | undefined;
  #refreshAgain: Timer | undefined;

  constructor(
    readonly parts: SessionParts,
    readonly sink: SessionSink,
  ) {
    this.#backoff = new Backoff(parts.random);
    this.#output = {
      began: (next) => sink.began(next),
      lines: (lines) => sink.lines(lines),
      gap: (gap) => sink.gap(gap),
      anew: (why) => sink.anew(why),
      typed: (typed) => sink.typed(typed),
      presence: (presence) => sink.presence(presence),
      unsure: () => sink.notice({ kind: 'gap', text: 'Some lines may be missing here: the connection was away for longer than the node’s replay reaches back.' }),
      refusal: (reason) => sink.notice({ kind: 'error', text: plain(reason, 2_000) }),
    };
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Connects now, whatever was before: the first start, and "try again". */
  start(): void {
    this.#backoff.reset();
    this.#connect();
  }

  /** Leaves for good: the page is closed. */
  stop(): void {
    this.#drop();
    this.#attempt += 1;
  }

  /** The tab is looked at again, or the network is back: don't sit out a long pause, and doubt an old socket. */
  wake(): void {
    const { phase } = this.#connection;
    if (phase === 'waiting' || phase === 'unavailable') {
      this.start();
    } else if (phase === 'live' && this.parts.clock.now() - this.#heardAt > PROBE_MS) {
      this.#probe();
    }
  }

  /** Null where it was carried out, else why not; undefined where there is no live console to send it to. */
  command(text: string): Promise<string | null> | undefined {
    return this.#ask('send command', text);
  }

  /** The same for a power action. */
  power(action: PowerAction): Promise<string | null> | undefined {
    return this.#ask('set state', action);
  }

  #ask(event: 'send command' | 'set state', argument: string): Promise<string | null> | undefined {
    if (this.#connection.phase !== 'live') return undefined;
    return this.#dialect?.is.ask(event, argument).then((reason) => (reason === null ? null : plain(reason, 2_000)));
  }

  #request(event: string, ...args: unknown[]): boolean {
    if (this.#connection.phase !== 'live' || !this.#socket) return false;
    this.#socket.send(encode(event, ...args));
    return true;
  }

  #become(connection: Connection): void {
    this.#connection = connection;
    this.sink.connection(connection);
  }

  #connect(): void {
    this.#drop();
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#become({ phase: 'connecting' });
    void this.parts.credentials().then((answer) => {
      if (attempt === this.#attempt) this.#answered(answer);
    });
  }

  #answered(answer: Credentials): void {
    switch (answer.kind) {
      case 'granted':
        this.#open(answer.token, answer.socket);
        return;
      case 'unavailable':
        this.#pause((until) => ({ phase: 'unavailable', until, message: answer.message, diagnostics: answer.diagnostics }));
        return;
      case 'refused':
        this.#refused(answer.reason, answer.status);
        return;
      case 'failed':
        this.#pause((until) => ({ phase: 'waiting', until, reason: answer.reason }), answer.retryAfterMs);
    }
  }

  #refused(reason: string, status: number): void {
    this.#drop();
    this.#become({ phase: 'ended', reason });
    if (status === 401) this.sink.signedOut();
  }

  #pause(describe: (until: number) => Connection, atLeast = 0): void {
    this.#drop();
    const pause = Math.max(this.#backoff.next(), atLeast);
    this.#retry = this.parts.clock.after(pause, () => this.#connect());
    this.#become(describe(this.parts.clock.now() + pause));
  }

  /**
   * Browsers give up a socket where the node leaves their offer unanswered, as stock nodes do: then it is opened once
   * more without one. A node that has spoken `roost.v1` once is never asked for less.
   */
  #open(token: string, url: string, offers = this.#spoken.get(url) !== 'classic'): void {
    let socket: SocketLike;
    try {
      socket = this.parts.open(url, offers ? [SUBPROTOCOL] : []);
    } catch {
      this.#pause((until) => ({ phase: 'waiting', until, reason: `this browser refuses to open ${url}` }));
      return;
    }
    this.#socket = socket;
    this.#url = url;
    this.#authenticated = false;
    this.#deadline = this.parts.clock.after(OPEN_DEADLINE_MS, () => this.#closed(1006, 'the node did not answer in time'));
    socket.onopen = () => {
      const dialect = this.#speak(socket.protocol === SUBPROTOCOL ? 'v1' : 'classic');
      socket.send(encode('auth', token, ...dialect.begin()));
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#heard(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (offers && code === 1006 && !this.#spoken.has(url)) {
        this.#drop();
        this.#open(token, url, false);
      } else {
        this.#closed(code, reason);
      }
    };
  }

  /** Takes up the dialect of the socket that has just opened; another one than before begins with an empty screen. */
  #speak(name: Spoken): Dialect {
    this.#spoken.set(this.#url, name);
    if (this.#dialect?.name === name) return this.#dialect.is;
    if (this.#dialect) this.sink.anew('');
    const is: Dialect = name === 'v1' ? new NumberedDialect(this.#output) : new ClassicDialect(this.parts.clock, this.#output);
    this.#dialect = { name, is };
    this.sink.pages(is.page ? (place, lines) => this.#page(place, lines) : null);
    this.sink.searches(is.search ? { find: (query, before) => this.#find(query, before), cancel: () => this.#dialect?.is.search?.cancel() } : null);
    return is;
  }

  #page(place: Place, lines: number): Promise<Page | string> {
    const page = this.#connection.phase === 'live' ? this.#dialect?.is.page?.(place, lines) : undefined;
    return page ?? Promise.resolve('The console is not connected.');
  }

  #find(query: SearchQuery, before?: number): Promise<Found | string> {
    const found = this.#connection.phase === 'live' ? this.#dialect?.is.search?.find(query, before) : undefined;
    return found ?? Promise.resolve('The console is not connected.');
  }

  #closed(code: number, reason: string): void {
    const words = this.#authenticated || code !== 1006 || reason !== '' ? closeWords(code, reason) : `the node cannot be reached at ${host(this.#url)}`;
    if (isFinal(code)) {
      this.#drop();
      this.#become({ phase: 'ended', reason: words });
    } else {
      this.#pause((until) => ({ phase: 'waiting', until, reason: words }));
    }
  }

  /** Forgets the socket and all that waits on it. */
  #drop(): void {
    for (const timer of [this.#retry, this.#deadline, this.#silence, this.#refreshAgain]) timer?.cancel();
    this.#refreshing = false;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
    if (this.#authenticated) this.#dialect?.is.lost();
    if (this.#authenticated) this.sink.presence(null);
    this.#authenticated = false;
  }

  #heard(data: unknown): void {
    this.#heardAt = this.parts.clock.now();
    if (this.#authenticated) this.#listen(SILENCE_MS);
    const message = parseEvent(data);
    if (!message) return;
    const [first] = message.args;
    if (this.#authenticated && this.#dialect?.is.heard(message.event, message.args)) return;
    switch (message.event) {
      case 'auth success':
        this.#accepted(first);
        return;
      case 'stats': {
        const stats = parseStats(first);
        if (stats) this.sink.stats(stats);
        return;
      }
      case 'status':
        if (isPowerState(first)) this.sink.state(first);
        return;
      case 'token expiring':
      case 'token expired':
        this.#refresh();
        return;
      case 'jwt error':
        this.#tokenRefused(typeof first === 'string' ? first : '');
        return;
      default:
        this.#say(message.event, typeof first === 'string' ? first : '');
    }
  }

  /** Events that are words to this viewer. Names that are not known are skipped. */
  #say(event: string, text: string): void {
    const words = plain(text, 2_000);
    if (event === 'daemon message') this.sink.notice({ kind: 'daemon', text: words });
    else if (event === 'daemon error') this.sink.notice({ kind: 'error', text: words });
    else if (event === 'throttled') this.sink.notice({ kind: 'error', text: `The node drops messages of this console (${words}): it got too many at once. Wait a few seconds.` });
    else if (event === 'install started') this.sink.notice({ kind: 'info', text: 'The installation has begun.' });
    else if (event === 'install completed') this.sink.notice({ kind: 'info', text: 'The installation has ended.' });
    else if (event === 'deleted') this.sink.notice({ kind: 'info', text: 'The server was removed from its node.' });
  }

  #accepted(answer: unknown): void {
    this.#refreshing = false;
    this.#refreshAgain?.cancel();
    if (this.#authenticated) return;
    this.#authenticated = true;
    this.#deadline?.cancel();
    this.#backoff.reset();
    this.#listen(SILENCE_MS);
    this.#become({ phase: 'live' });
    this.#dialect?.is.authenticated(answer, (event, ...args) => this.#request(event, ...args));
  }

  /** Fetches a fresh token and sends it on the same socket. Nothing of it is seen on the screen. */
  #refresh(): void {
    const socket = this.#socket;
    if (this.#refreshing || !socket) return;
    this.#refreshing = true;
    void this.parts.credentials().then((answer) => {
      if (socket !== this.#socket) return;
      if (answer.kind === 'granted') {
        if (answer.socket !== this.#url && this.#authenticated) {
          // The server lives on another node now.
          this.#connect();
          return;
        }
        socket.send(encode('auth', answer.token));
        // `auth success` ends the refresh; without it, one more try must be possible.
        this.#refreshAgain = this.parts.clock.after(REFRESH_PAUSE_MS, () => (this.#refreshing = false));
      } else if (answer.kind === 'refused') {
        this.#refused(answer.reason, answer.status);
      } else {
        // The old token may still hold for a while; if it does not, the node closes the socket and we reconnect.
        this.#refreshAgain = this.parts.clock.after(REFRESH_PAUSE_MS, () => {
          this.#refreshing = false;
          this.#refresh();
        });
      }
    });
  }

  #tokenRefused(text: string): void {
    const lower = text.toLowerCase();
    if (MENDABLE.some((known) => lower.includes(known))) {
      this.#refresh();
    } else if (lower.includes('missing connect permission')) {
      this.#refused('you may not open this console any more', 403);
    } else {
      this.#pause((until) => ({ phase: 'waiting', until, reason: `the node refused the token: ${plain(text)}` }));
    }
  }

  /** Asks for figures after silence; no answer at all means that the connection is dead. */
  #listen(ms: number): void {
    this.#silence?.cancel();
    this.#silence = this.parts.clock.after(ms, () => this.#probe());
  }

  #probe(): void {
    if (!this.#request('send stats')) return;
    this.#silence?.cancel();
    this.#silence = this.parts.clock.after(PROBE_MS, () => this.#closed(1006, 'the node fell silent'));
  }
}

function host(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
