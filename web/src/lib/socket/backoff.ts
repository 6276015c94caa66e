/**
 * Growing pauses between attempts: 1 s, doubled up to 20 s, with up to a quarter of chance on either side, so that
 * a thousand viewers of a restarted node don't come back in the same instant.
 */
export class Backoff {
  #attempt = 0;

  constructor(
    readonly random: () => number,
    readonly first = 1_000,
    readonly most = 20_000,
  ) {}

  /** Milliseconds until the next attempt. */
  next(): number {
    const base = Math.min(this.most, this.first * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 30);
    return Math.round(base * (0.75 + this.random() * 0.5));
  }

  reset(): void {
    this.#attempt = 0;
  }
}
