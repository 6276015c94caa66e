/**
 * The payloads of `roost.v1`, read with care: what has another shape than `docs/protocol.md` says is `null` or left
 * out, never an error. What they mean is `NumberedDialect`'s business.
 */

import type { Found, FoundLine, Gap, GapReason, Line, Page, Presence, Source, Typed } from './output';

/** What is offered, and what the node's answer names. */
export const SUBPROTOCOL = 'roost.v1';

type Json = Record<string, unknown>;

/** A block of lines: one source, numbers without holes. */
export function readBlock(value: unknown): Line[] | null {
  const { source, seq, lines } = object(value);
  if (!isSource(source) || !isCount(seq) || !Array.isArray(lines)) return null;
  return lines.map((raw: unknown, i) => {
    const [time, text, flags] = Array.isArray(raw) ? (raw as unknown[]) : [];
    return { seq: seq + i, time: typeof time === 'number' ? time : 0, text: typeof text === 'string' ? text : '', source, flags: typeof flags === 'number' ? flags & 3 : 0 };
  });
}

/** Where the count is not known it reads as 0. */
export function readGap(value: unknown): Gap | null {
  const { after, count, reason } = object(value);
  if (!isCount(after) || typeof reason !== 'string') return null;
  return { after, count: isCount(count) ? count : 0, reason: reason as GapReason };
}

export function readPage(value: unknown): Page | null {
  const { from, next, begin, gap, blocks } = object(value);
  if (!isCount(from) || !Array.isArray(blocks)) return null;
  return { from, next: isCount(next) ? next : from, begin: begin === true, gone: readGap(gap)?.count ?? 0, lines: blocks.flatMap((block) => readBlock(block) ?? []) };
}

export function readFound(value: unknown): Found | null {
  const { from, next, first, begin, lines } = object(value);
  if (!isCount(from) || !isCount(next) || !isCount(first) || !Array.isArray(lines)) return null;
  return { from, next, first, begin: begin === true, lines: lines.flatMap((line) => readFoundLine(line) ?? []) };
}

function readFoundLine(value: unknown): FoundLine | null {
  const { seq, time, source, text } = object(value);
  if (!isCount(seq) || !isSource(source) || !Array.isArray(text)) return null;
  const part = (i: number) => (typeof text[i] === 'string' ? text[i] : '');
  return { seq, time: typeof time === 'number' ? time : 0, source, text: [part(0), part(1), part(2)] };
}

export function readPlace(value: unknown): { stream: string; next: number } | null {
  const { stream, next } = object(value);
  return typeof stream === 'string' && isCount(next) ? { stream, next } : null;
}

export function readPresence(value: unknown): Presence | null {
  const { sockets, users } = object(value);
  if (!isCount(sockets) || !Array.isArray(users)) return null;
  const known = users.map(object).flatMap((one) => (typeof one['user'] === 'string' ? [{ user: one['user'], sockets: isCount(one['sockets']) ? one['sockets'] : 1 }] : []));
  return { sockets, users: known };
}

export function readTyped(value: unknown): Typed | null {
  const { user, text, time } = object(value);
  if (typeof text !== 'string') return null;
  return { user: typeof user === 'string' ? user : '', text, time: typeof time === 'number' ? time : 0 };
}

/** The sentence for people in `refused`. */
export function readReason(value: unknown): string {
  const { reason, code } = object(value);
  if (typeof reason === 'string' && reason !== '') return reason;
  return `The node refused it${typeof code === 'string' ? ` (${code})` : ''}.`;
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function isSource(value: unknown): value is Source {
  return value === 'output' || value === 'daemon' || value === 'install';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
