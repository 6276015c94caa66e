/**
 * The commands that were typed at one server: kept in the browser, walked with the arrow keys like in a shell.
 * Storage is an argument; a browser that has none keeps them for the page's life.
 */

const MOST = 100;

export type Store = Pick<Storage, 'getItem' | 'setItem'>;

export class CommandHistory {
  #entries: string[];
  /** Index of the entry on show; the length where the person's own draft is. */
  #at: number;
  #draft = '';

  constructor(
    readonly key: string,
    readonly store: Store | null,
  ) {
    this.#entries = this.#load();
    this.#at = this.#entries.length;
  }

  add(command: string): void {
    if (command.trim() !== '' && command !== this.#entries.at(-1)) {
      this.#entries = [...this.#entries, command].slice(-MOST);
      this.#save();
    }
    this.#at = this.#entries.length;
    this.#draft = '';
  }

  /** The entry before; `current` is what stands in the field. Null at the oldest. */
  older(current: string): string | null {
    if (this.#at === 0) return null;
    if (this.#at === this.#entries.length) this.#draft = current;
    this.#at -= 1;
    return this.#entries[this.#at] ?? null;
  }

  /** The entry after, and the draft at the end. Null where there is nothing newer. */
  newer(): string | null {
    if (this.#at >= this.#entries.length) return null;
    this.#at += 1;
    return this.#at === this.#entries.length ? this.#draft : (this.#entries[this.#at] ?? null);
  }

  #load(): string[] {
    try {
      const raw: unknown = JSON.parse(this.store?.getItem(this.key) ?? '[]');
      return Array.isArray(raw) ? raw.filter((entry): entry is string => typeof entry === 'string').slice(-MOST) : [];
    } catch {
      return [];
    }
  }

  #save(): void {
    try {
      this.store?.setItem(this.key, JSON.stringify(this.#entries));
    } catch {
      // Storage is full or switched off: the history lives as long as the page.
    }
  }
}
