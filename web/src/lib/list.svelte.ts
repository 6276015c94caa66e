/**
 * The list of servers and their live state. The list is read once and on demand; states are asked for gently, only for
 * the servers in sight and only while somebody looks.
 */

import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { account } from './account.svelte';
import * as api from './api';
import { Poller } from './poller';
import { systemClock } from './socket/clock';

/** Questions at the same time, over all servers. */
const AT_ONCE = 4;

export class ServerListState {
  servers = $state.raw<api.ServerSummary[] | null>(null);
  trouble = $state('');
  all = $state(false);
  /** By UUID. `null`: asked, and the panel could not tell. */
  readonly live = new SvelteMap<string, api.Resources | null>();
  readonly #inSight = new SvelteSet<string>();
  readonly #poller = new Poller({ clock: systemClock, pace: 3_000, slowest: 30_000, ask: () => this.#askStates() });

  async load(): Promise<void> {
    try {
      this.servers = await api.servers(this.all);
      this.trouble = '';
    } catch (error) {
      if (error instanceof api.Problem && error.status === 401) account.ended();
      this.trouble = error instanceof Error ? error.message : String(error);
    }
    this.#poller.hurry();
  }

  /** Begins to ask for states; returns the undoing. */
  watch(): () => void {
    const look = () => (document.hidden ? this.#poller.stop() : this.#poller.start());
    document.addEventListener('visibilitychange', look);
    look();
    return () => {
      document.removeEventListener('visibilitychange', look);
      this.#poller.stop();
    };
  }

  sight(uuid: string, visible: boolean): void {
    if (visible === this.#inSight.has(uuid)) return;
    if (visible) this.#inSight.add(uuid);
    else this.#inSight.delete(uuid);
    if (visible && !this.live.has(uuid)) this.#poller.hurry();
  }

  /** Answers whether any state changed; throws where no answer came at all. */
  async #askStates(): Promise<boolean> {
    const wanted = (this.servers ?? []).filter((server) => this.#inSight.has(server.uuid));
    let changed = false;
    let answered = wanted.length === 0;
    const queue = [...wanted];
    const worker = async () => {
      for (let server = queue.shift(); server; server = queue.shift()) {
        try {
          const before = this.live.get(server.uuid)?.stats.state;
          const now = await api.resources(server.identifier);
          changed ||= before !== now.stats.state;
          answered = true;
          this.live.set(server.uuid, now);
        } catch (error) {
          if (error instanceof api.Problem && error.status === 401) account.ended();
          this.live.set(server.uuid, null);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (!answered) throw new Error('no state could be read');
    return changed;
  }
}
