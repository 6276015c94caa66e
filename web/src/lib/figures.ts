/** The last minute of a server's figures, as the graphs draw them. No DOM; time is an argument. */

import type { Stats } from './socket/events';

export const POINTS = 60;

export interface Series {
  /** Seconds since the epoch. */
  time: number[];
  cpu: number[];
  memory: number[];
  /** Bytes a second; null where it can't be told yet. */
  received: (number | null)[];
  sent: (number | null)[];
}

export class Figures {
  #samples: { at: number; stats: Stats; received: number | null; sent: number | null }[] = [];

  add(stats: Stats, now: number): void {
    const last = this.#samples.at(-1);
    // Two answers to one question (a push and a reply) are one sample.
    if (last && now - last.at < 400) {
      last.stats = stats;
      return;
    }
    // A counter that went back belongs to a new process.
    const seconds = last ? (now - last.at) / 1_000 : 0;
    const usable = last !== undefined && seconds > 0 && stats.networkMeasured && last.stats.rxBytes <= stats.rxBytes && last.stats.txBytes <= stats.txBytes;
    this.#samples.push({
      at: now,
      stats,
      received: usable ? (stats.rxBytes - last.stats.rxBytes) / seconds : null,
      sent: usable ? (stats.txBytes - last.stats.txBytes) / seconds : null,
    });
    if (this.#samples.length > POINTS) this.#samples.shift();
  }

  series(): Series {
    const samples = this.#samples;
    return {
      time: samples.map((s) => s.at / 1_000),
      cpu: samples.map((s) => s.stats.cpu),
      memory: samples.map((s) => s.stats.memoryBytes),
      received: samples.map((s) => s.received),
      sent: samples.map((s) => s.sent),
    };
  }
}
