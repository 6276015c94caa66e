/** The audit as state: filters, pages, refreshing. Newest rows first; older ones are fetched behind them. */

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

  /** The newest page, with the filters as they stand. */
  async refresh(): Promise<void> {
    await this.#fetch(undefined, (rows) => rows);
  }

  /** One page more. */
  async older(): Promise<void> {
    const last = this.rows?.at(-1);
    if (last) await this.#fetch(last.id, (rows) => [...(this.rows ?? []), ...rows]);
  }

  async #fetch(before: number | undefined, join: (rows: api.AuditRow[]) => api.AuditRow[]): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    this.busy = true;
    try {
      const query: api.AuditQuery = { lines: PAGE, server: this.server.trim(), user: this.user.trim() };
      if (before !== undefined) query.before = before;
      const rows = await api.audit(query);
      // A slow answer to an earlier question must not replace a newer one.
      if (asked !== this.#asked) return;
      const fresh = before === undefined ? rows : rows.filter((row) => row.id < before);
      this.rows = join(fresh);
      this.more = fresh.length === PAGE;
      this.trouble = '';
    } catch (error) {
      if (asked !== this.#asked) return;
      if (error instanceof api.Problem && error.status === 401) account.ended();
      this.trouble = error instanceof Error ? error.message : String(error);
    } finally {
      if (asked === this.#asked) this.busy = false;
    }
  }
}

/** `details` in one line of text, such as `command: say hi, exit_code: 1`. */
export function detailsText(details: Record<string, unknown>): string {
  return Object.entries(details)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}
