/**
 * What a close code means to a viewer: whether a new socket makes sense, and in which words the person is told.
 * The table follows the one of the node (`docs/protocol.md`); a code that is not in it is worth a retry.
 */

/** Codes at which a console stops by itself. */
const FINAL = new Set([1000, 4400, 4409]);

const WORDS: Record<number, string> = {
  1000: 'the node closed the console',
  1001: 'the node is going away',
  1006: 'cut off by the network or the node',
  1009: 'the message was too long',
  1011: 'something failed inside the node',
  1012: 'the node is restarting',
  1013: 'the node has too many consoles open',
  4400: 'access was ended',
  4401: 'the token expired',
  4403: 'the node did not accept the token',
  4408: 'this browser did not keep up with the output, or did not answer',
  4409: 'the server is suspended',
  4429: 'too many messages were sent',
};

export function isFinal(code: number): boolean {
  return FINAL.has(code);
}

/** A sentence part such as "access revoked" for the status line. The node's own reason wins over the table's. */
export function closeWords(code: number, reason: string): string {
  const said = plain(reason);
  if (said !== '') return said;
  return WORDS[code] ?? `the connection was closed with code ${code}`;
}

/** One line without control characters, bounded: it comes from the wire and stands beside our own words. */
export function plain(text: string, bound = 300): string {
  // eslint-disable-next-line no-control-regex
  const line = text.replace(/\u001b\[[0-9;:]*m/g, '').replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, ' ').trim();
  return line.length > bound ? `${line.slice(0, bound - 1)}…` : line;
}
