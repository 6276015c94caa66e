/** The audit as state: filters, how far back it reaches, refreshing. Newest rows first. */

import { account } from './account.svelte';
import * as api from './api';

const PAGE = 50;

export class AuditState {
  rows = $state.raw<api.AuditRow[] | null>(null);
  server = $state('');
  user = $state('');
  /** Whether rows older than the last one may exist. */
  more = $state(false);
  busy = $state(false);
  trouble = $state('');
  #asked = 0;
  #lines = PAGE;

  /** As many rows as are on show, with the filters as they stand. */
  async refresh(): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    this.busy = true;
    try {
      const rows = await api.audit({ lines: this.#lines, server: this.server.trim(), user: this.user.trim() });
      // A slow answer to an earlier question must not replace a newer one.
      if (asked !== this.#asked) return;
      // The panel orders by arrival, and what a node reports arrives up to some seconds late.
      this.rows = rows.toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time) || b.id - a.id);
      this.more = rows.length === this.#lines && this.#lines < api.AUDIT_MOST;
      this.trouble = '';
    } catch (error) {
      if (asked !== this.#asked) return;
      if (error instanceof api.Problem && error.status === 401) account.ended();
      this.trouble = error instanceof Error ? error.message : String(error);
    } finally {
      if (asked === this.#asked) this.busy = false;
    }
  }

  /** The newest page, with the filters as they stand. */
  async filter(): Promise<void> {
    this.#lines = PAGE;
    await this.refresh();
  }

  /** Reaches further back, each time by twice as much. The API has no "before", so all is read again. */
  async older(): Promise<void> {
    this.#lines = Math.min(api.AUDIT_MOST, this.#lines * 2);
    await this.refresh();
  }
}

/** `details` in one line of text, such as `command: say hi, exit_code: 1`. */
export function detailsText(details: Record<string, unknown>): string {
  return Object.entries(details)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}
