/**
 * Console events: one JSON object a text frame. `args` is absent, an array of texts (classic) or of any JSON
 * (`roost.v1`). This file reads and writes frames; what an event means is the session's and its dialect's business.
 */

/** One event from the node. */
export interface ConsoleEvent {
  event: string;
  args: unknown[];
}

/** Reads one frame. Anything that is not an event is `null`: it is skipped, never an error. */
export function parseEvent(data: unknown): ConsoleEvent | null {
  if (typeof data !== 'string') return null;
  let raw: unknown;
  try {
    raw = JSON.parse(data);
  } catch {
    return null;
  }
  if (typeof raw !== 'object' || raw === null) return null;
  const { event, args } = raw as { event?: unknown; args?: unknown };
  if (typeof event !== 'string') return null;
  return { event, args: Array.isArray(args) ? (args as unknown[]) : [] };
}

/** Writes one frame; always with `args`, because one existing daemon refuses a message without it. */
export function encode(event: string, ...args: unknown[]): string {
  return JSON.stringify({ event, args });
}

/** A server's power state, as `status` says it. */
export type PowerState = 'offline' | 'starting' | 'running' | 'stopping';

/** A power request, as `set state` takes it. */
export type PowerAction = 'start' | 'restart' | 'stop' | 'kill';

export function isPowerState(text: unknown): text is PowerState {
  return text === 'offline' || text === 'starting' || text === 'running' || text === 'stopping';
}

/** One sample of a server's figures. */
export interface Stats {
  memoryBytes: number;
  /** 0 where there is no limit, or it is not known. */
  memoryLimitBytes: number;
  /** Per cent of one core. */
  cpu: number;
  /** Bytes since the start; meaningless where `networkMeasured` is false. */
  rxBytes: number;
  txBytes: number;
  networkMeasured: boolean;
  /** Milliseconds; 0 when offline. */
  uptime: number;
  diskBytes: number;
  state: PowerState | null;
}

/** Reads the JSON text inside `stats`. Daemons sort the keys as they like and add their own. */
export function parseStats(text: unknown): Stats | null {
  if (typeof text !== 'string') return null;
  try {
    const raw: unknown = JSON.parse(text);
    return typeof raw === 'object' && raw !== null ? statsFrom(raw as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The same figures from an object, as the socket or the REST API has it. */
export function statsFrom(raw: Record<string, unknown>): Stats {
  const network = typeof raw['network'] === 'object' && raw['network'] !== null ? (raw['network'] as Record<string, unknown>) : {};
  const state = raw['state'] ?? raw['current_state'];
  return {
    memoryBytes: figure(raw['memory_bytes']),
    memoryLimitBytes: figure(raw['memory_limit_bytes']),
    cpu: figure(raw['cpu_absolute']),
    rxBytes: figure(network['rx_bytes'] ?? raw['network_rx_bytes']),
    txBytes: figure(network['tx_bytes'] ?? raw['network_tx_bytes']),
    networkMeasured: raw['network_measured'] !== false,
    uptime: figure(raw['uptime']),
    diskBytes: figure(raw['disk_bytes']),
    state: isPowerState(state) ? state : null,
  };
}

function figure(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;
}
