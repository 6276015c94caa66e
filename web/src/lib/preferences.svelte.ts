/** What a person set for the terminal; kept in this browser. */

const KEY = 'roost:terminal';

interface Kept {
  fontSize: number;
  screenReader: boolean;
  times: boolean;
}

class Preferences {
  fontSize = $state(13);
  screenReader = $state(false);
  /** The time before each line. */
  times = $state(false);

  constructor() {
    const narrow = matchMedia('(max-width: 640px)').matches;
    this.fontSize = narrow ? 11 : 13;
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Kept>;
      if (typeof kept.fontSize === 'number') this.fontSize = clamp(kept.fontSize);
      if (typeof kept.times === 'boolean') this.times = kept.times;
      if (typeof kept.screenReader === 'boolean') this.screenReader = kept.screenReader;
    } catch {
      // The defaults hold.
    }
  }

  larger(by: 1 | -1): void {
    this.fontSize = clamp(this.fontSize + by);
    this.#keep();
  }

  toggleScreenReader(): void {
    this.screenReader = !this.screenReader;
    this.#keep();
  }

  toggleTimes(): void {
    this.times = !this.times;
    this.#keep();
  }

  #keep(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify({ fontSize: this.fontSize, screenReader: this.screenReader, times: this.times } satisfies Kept));
    } catch {
      // Lives as long as the page then.
    }
  }
}

function clamp(size: number): number {
  return Math.min(24, Math.max(8, Math.round(size)));
}

export const preferences = new Preferences();
