/**
 * A search through a server's whole history, as state for the view: what was found so far, newest first, which one is
 * looked at, how far it is. It asks the node page by page, and stops by itself once there is more than a person reads.
 *
 * Drawing and jumping are the views' business.
 */

import type { FoundLine, Searcher, SearchQuery } from './socket/output';

/** Found lines after which it waits to be asked for more. */
const AT_ONCE = 200;

export type Phase = 'idle' | 'searching' | 'paused' | 'done' | 'refused';

export class HistorySearch {
  found = $state.raw<FoundLine[]>([]);
  /** Index of the one that is looked at; -1 for none. */
  at = $state(-1);
  phase = $state<Phase>('idle');
  /** Why it was refused. */
  reason = $state('');
  /** How much of the history was looked through, 0 to 1. */
  progress = $state(0);

  /** Counts searches: an answer to an earlier one is dropped. */
  #run = 0;
  #query: SearchQuery = { text: '', regex: false, exact: false };
  #before: number | undefined;
  #newest = 0;

  constructor(
    readonly searcher: () => Searcher | null,
    readonly show: (line: FoundLine) => void,
  ) {}

  get looked(): FoundLine | undefined {
    return this.found[this.at];
  }

  /** Begins anew; an empty text ends it. */
  begin(query: SearchQuery): void {
    this.clear();
    if (query.text === '') return;
    this.#query = query;
    void this.#go();
  }

  clear(): void {
    if (this.phase === 'searching') this.searcher()?.cancel();
    this.#run += 1;
    this.#before = undefined;
    this.found = [];
    this.at = -1;
    this.phase = 'idle';
    this.reason = '';
    this.progress = 0;
  }

  /** Goes on behind what was found so far. */
  more(): Promise<void> {
    return this.phase === 'paused' ? this.#go() : Promise.resolve();
  }

  look(index: number): void {
    const line = this.found[index];
    if (!line) return;
    this.at = index;
    this.show(line);
  }

  /** The next older or newer one. */
  async step(direction: 1 | -1): Promise<void> {
    const run = this.#run;
    const wanted = Math.max(0, this.at + direction);
    if (wanted >= this.found.length) await this.more();
    if (run === this.#run) this.look(wanted);
  }

  async #go(): Promise<void> {
    const run = this.#run;
    const goal = this.found.length + AT_ONCE;
    this.phase = 'searching';
    for (;;) {
      const answer = (await this.searcher()?.find(this.#query, this.#before)) ?? 'The console is not connected.';
      if (run !== this.#run) return;
      if (typeof answer === 'string') {
        this.phase = 'refused';
        this.reason = answer;
        return;
      }
      const { from, next, first, begin, lines } = answer;
      if (this.#before === undefined) this.#newest = next;
      this.#before = from;
      this.found = [...this.found, ...lines];
      this.progress = begin || this.#newest <= first ? 1 : (this.#newest - from) / (this.#newest - first);
      if (begin || this.found.length >= goal) {
        this.phase = begin ? 'done' : 'paused';
        return;
      }
    }
  }
}
