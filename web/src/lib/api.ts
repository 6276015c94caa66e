/**
 * The panel's HTTP API as this console uses it: typed calls, and errors as `Problem`s with the panel's own words.
 * Nothing is kept here; who is signed in and what is polled is known elsewhere.
 */

import { statsFrom, type PowerAction, type Stats } from './socket/events';
import type { Credentials } from './socket/parts';

/** An answer that is not what was asked for, in words for the reader. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 where the panel was not reached at all. */
    readonly status: number,
    message: string,
    /** Seconds after which another try makes sense. */
    readonly retryAfter: number | undefined = undefined,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later without anybody changing anything. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export interface Account {
  name: string;
  uuid: string;
  admin: boolean;
  email: string | null;
}

export interface ServerSummary {
  uuid: string;
  identifier: string;
  name: string;
  description: string;
  node: string;
  isOwner: boolean;
  suspended: boolean;
  installing: boolean;
  /** `ip:port` of the main allocation, if any. */
  address: string | null;
  /** MiB; 0 for no limit. */
  memoryLimit: number;
}

export interface ServerDetail extends ServerSummary {
  permissions: string[];
}

export interface LiveSocket {
  id: string;
  user: string;
  server: string;
  address: string;
  since: string;
}

export interface AuditRow {
  id: number;
  time: string;
  event: string;
  user: string | null;
  server: string | null;
  address: string | null;
  via: string;
  details: Record<string, unknown>;
}

export interface AuditQuery {
  server?: string;
  user?: string;
  /** The newest so many rows; at most `AUDIT_MOST`. */
  lines: number;
}

/** The most rows that the panel gives at once. */
export const AUDIT_MOST = 10_000;

type Json = Record<string, unknown>;

const DEADLINE_MS = 15_000;

/** One request. Throws a `Problem`, and nothing else. */
async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: body === undefined ? { accept: 'application/json' } : { accept: 'application/json', 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch {
    throw new Problem(0, 'The panel cannot be reached. Check your network, or try again in a moment.');
  }
  if (response.status === 204) return null;
  const text = await response.text().catch(() => '');
  const answer = parse(text);
  if (!response.ok) throw problemFrom(response, answer);
  if (answer === undefined && text !== '') throw new Problem(502, 'The panel’s answer could not be read. Is a proxy in between?');
  return answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemFrom(response: Response, answer: unknown): Problem {
  const body = object(answer);
  const header = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retry = typeof body['retry_after'] === 'number' ? body['retry_after'] : header;
  const message = text(body['message']) || `The panel answered with status ${response.status}.`;
  return new Problem(response.status, message, Number.isFinite(retry) ? retry : undefined);
}

export async function login(user: string, password: string): Promise<void> {
  await call('POST', '/api/auth/login', { user, password });
}

export async function logout(): Promise<void> {
  await call('POST', '/api/auth/logout', {});
}

/** Null where nobody is signed in. */
export async function me(): Promise<Account | null> {
  try {
    const body = object(await call('GET', '/api/auth/me'));
    return { name: text(body['name']), uuid: text(body['uuid']), admin: body['admin'] === true, email: text(body['email']) || null };
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  }
}

/** All servers of a person, page by page. `all` asks for everybody's and is for administrators. */
export async function servers(all = false): Promise<ServerSummary[]> {
  const found: ServerSummary[] = [];
  for (let page = 1; page <= 100; page += 1) {
    const body = object(await call('GET', `/api/client?per_page=100&page=${page}${all ? '&type=admin-all' : ''}`));
    for (const entry of list(body['data'])) found.push(summaryFrom(object(object(entry)['attributes'])));
    const pagination = object(object(body['meta'])['pagination']);
    if (page >= (number(pagination['total_pages']) || 1)) break;
  }
  return found;
}

export async function server(id: string): Promise<ServerDetail> {
  const body = object(await call('GET', `/api/client/servers/${encodeURIComponent(id)}`));
  const permissions = list(object(body['meta'])['user_permissions']).filter((name) => typeof name === 'string');
  return { ...summaryFrom(object(body['attributes'])), permissions };
}

/** How a server's last run ended. */
export interface LastEnd {
  /** RFC 3339. */
  time: string;
  /** Somebody had asked for it. */
  asked: boolean;
  /** For people. */
  text: string;
}

export interface Resources {
  stats: Stats;
  suspended: boolean;
  /** Null where it is not known: it never ran, or the daemon does not keep it. */
  lastEnd: LastEnd | null;
}

export async function resources(id: string): Promise<Resources> {
  const attributes = object(object(await call('GET', `/api/client/servers/${encodeURIComponent(id)}/resources`))['attributes']);
  const stats = statsFrom({ ...object(attributes['resources']), state: attributes['current_state'] });
  const end = attributes['last_end'] ? object(attributes['last_end']) : null;
  const lastEnd = end && { time: text(end['time']), asked: end['asked'] === true, text: text(end['text']) };
  return { stats, suspended: attributes['is_suspended'] === true, lastEnd };
}

export async function power(id: string, signal: PowerAction): Promise<void> {
  await call('POST', `/api/client/servers/${encodeURIComponent(id)}/power`, { signal });
}

/** Credentials for the console's socket, in the session's words. Never throws. */
export async function credentials(id: string): Promise<Credentials> {
  try {
    const body = object(await call('GET', `/api/client/servers/${encodeURIComponent(id)}/websocket`));
    if (body['unavailable'] === true) {
      const diagnostics = Object.fromEntries(Object.entries(object(body['diagnostics'])).map(([key, value]) => [key, value === null ? null : String(value)]));
      return { kind: 'unavailable', message: text(body['message']), diagnostics };
    }
    const token = text(body['token']);
    const socket = text(body['socket']);
    if (!token || !socket) return { kind: 'failed', reason: 'the panel’s answer held no credentials' };
    return { kind: 'granted', token, socket };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.passes) return { kind: 'failed', reason: error.message, ...(error.retryAfter ? { retryAfterMs: error.retryAfter * 1_000 } : {}) };
    return { kind: 'refused', reason: error.message, status: error.status };
  }
}

export async function sockets(): Promise<LiveSocket[]> {
  return list(await call('GET', '/api/admin/sockets')) as LiveSocket[];
}

/** A sentence for each node whose live consoles are missing from the list: without it, nobody would seem to watch there. */
export async function missingFromSockets(): Promise<string[]> {
  const nodes = list(await call('GET', '/api/admin/nodes')).map(object);
  return nodes.flatMap((node) => {
    const name = text(node['name']);
    if (node['is_roost'] === false) return [`${name} runs another daemon, which tells no live consoles. The audit shows who was let in.`];
    if (node['reachable'] === false && number(node['servers']) > 0) return [`${name} does not answer: its live consoles are not listed.`];
    return [];
  });
}

export async function endSocket(id: string): Promise<void> {
  await call('DELETE', `/api/admin/sockets/${encodeURIComponent(id)}`);
}

/** Newest first. */
export async function audit(query: AuditQuery): Promise<AuditRow[]> {
  const search = new URLSearchParams({ order: 'desc', lines: String(query.lines) });
  if (query.server) search.set('server', query.server);
  if (query.user) search.set('user', query.user);
  return list(await call('GET', `/api/admin/audit?${search}`)) as AuditRow[];
}

/** Names to choose from when the audit is filtered. */
export async function names(of: 'servers' | 'users'): Promise<string[]> {
  const rows = list(await call('GET', `/api/admin/${of}`)).map(object);
  return rows.map((row) => text(of === 'servers' ? row['identifier'] : row['name'])).filter((name) => name !== '');
}

function summaryFrom(a: Json): ServerSummary {
  const allocations = list(object(object(a['relationships'])['allocations'])['data']).map((entry) => object(object(entry)['attributes']));
  const main = allocations.find((allocation) => allocation['is_default'] === true) ?? allocations[0];
  return {
    uuid: text(a['uuid']),
    identifier: text(a['identifier']),
    name: text(a['name']) || text(a['identifier']),
    description: text(a['description']),
    node: text(a['node']),
    isOwner: a['server_owner'] === true,
    suspended: a['is_suspended'] === true || a['status'] === 'suspended',
    installing: a['is_installing'] === true || a['status'] === 'installing',
    address: main ? `${text(main['ip_alias']) || text(main['ip'])}:${number(main['port'])}` : null,
    memoryLimit: number(object(a['limits'])['memory']),
  };
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
