/**
 * Asks for something again and again, gently: one request in flight, growing pauses after failures, a slower pace
 * where nothing changes, and none at all while nobody looks. What is asked, and what "changed" means, the caller says.
 */

import type { Clock, Timer } from './socket/clock';

export interface PollerParts {
  clock: Clock;
  /** Answers whether something changed. A throw is a failure. */
  ask: () => Promise<boolean>;
  /** Milliseconds between two questions. */
  pace: number;
  /** The slowest pace, after failures or where nothing changes. */
  slowest: number;
}

export class Poller {
  #pace: number;
  #timer: Timer | undefined;
  #running = false;
  #asking = false;
  /** Somebody hurried while a question was under way: it may have been asked too early. */
  #hurried = false;

  constructor(readonly parts: PollerParts) {
    this.#pace = parts.pace;
  }

  /** Begins, or goes on after a stop: asks at once. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#pace = this.parts.pace;
    void this.#ask();
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
  }

  /** Asks now, and at the first pace again. */
  hurry(): void {
    this.#pace = this.parts.pace;
    if (!this.#running) return;
    this.#hurried = this.#asking;
    this.#timer?.cancel();
    void this.#ask();
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const changed = await this.parts.ask().then(
      (answer) => (answer ? 'yes' : 'no'),
      () => 'failed',
    );
    this.#asking = false;
    if (!this.#running) return;
    if (this.#hurried) {
      this.#hurried = false;
      void this.#ask();
      return;
    }
    const growth = changed === 'yes' ? 0 : changed === 'no' ? 1.25 : 2;
    this.#pace = growth === 0 ? this.parts.pace : Math.min(this.parts.slowest, this.#pace * growth);
    this.#timer?.cancel();
    this.#timer = this.parts.clock.after(this.#pace, () => void this.#ask());
  }
}
