/**
 * The classic protocol, as stock nodes speak it: one line an event, no numbers, no answers. Joining the output of
 * successive sockets is `ClassicStream`'s business.
 */

import type { Clock } from './clock';
import type { Dialect, Line, OutputSink, Send } from './output';
import { ClassicStream } from './stream';

export class ClassicDialect implements Dialect {
  readonly #stream: ClassicStream;
  #send: Send = () => false;

  constructor(
    clock: Clock,
    readonly sink: OutputSink,
  ) {
    this.#stream = new ClassicStream(clock, {
      lines: (lines) => sink.lines(lines.flatMap(asLines)),
      gap: () => sink.unsure(),
    });
  }

  begin(): unknown[] {
    return [];
  }

  authenticated(_: unknown, send: Send): void {
    this.#send = send;
    this.#stream.authenticated(send);
  }

  heard(event: string, args: unknown[]): boolean {
    switch (event) {
      case 'console output':
      case 'install output':
      case 'transfer logs':
        this.#stream.line(typeof args[0] === 'string' ? args[0] : '');
        return true;
      case 'stats':
        // It marks a place among the lines; the figures are the session's.
        this.#stream.stats();
        return false;
      default:
        return false;
    }
  }

  lost(): void {
    this.#send = () => false;
    this.#stream.lost();
  }

  /** A refusal comes as a `daemon message`, which belongs to no request. */
  ask(event: 'send command' | 'set state', argument: string): Promise<string | null> {
    return Promise.resolve(this.#send(event, argument) ? null : 'Not sent: the console is not connected.');
  }
}

/** A text may hold line ends; each of its lines is one here. */
function asLines(text: string): Line[] {
  return text
    .replace(/[\r\n]+$/, '')
    .split('\n')
    .map((line) => ({ seq: 0, time: 0, text: line, source: 'output', flags: 0 }));
}
