/**
 * Joins the replay of the classic protocol to what is already on the screen. `send logs` answers with the newest lines
 * (150 by default), without numbers and without a mark at its ends; so the seam is found by comparing text.
 *
 * This is the best that the classic events allow. A protocol with sequence numbers needs none of it.
 */

/** What is to be shown of a replay. */
export interface Joined {
  /** Lines to append. */
  fresh: string[];
  /** True where nothing shows that the replay reaches back to what is on the screen: a part may be missing. */
  gap: boolean;
}

/**
 * `shown` are the newest lines on the screen, oldest first; `replay` is what came after the reconnect. The longest end
 * of `shown` that is also the beginning of `replay` is dropped from `replay`.
 */
export function joinReplay(shown: readonly string[], replay: readonly string[]): Joined {
  if (shown.length === 0) return { fresh: [...replay], gap: false };
  if (replay.length === 0) return { fresh: [], gap: true };
  const overlap = longestOverlap(shown, replay);
  if (overlap > 0 && isEvidence(replay.slice(0, overlap), overlap === shown.length)) {
    return { fresh: replay.slice(overlap), gap: false };
  }
  // The screen may hold less than the replay does: all of it, somewhere inside.
  const inside = indexOfAll(replay, shown);
  if (inside >= 0 && isEvidence(shown, true)) {
    return { fresh: replay.slice(inside + shown.length), gap: false };
  }
  return { fresh: [...replay], gap: true };
}

/** Length of the longest suffix of `shown` that is a prefix of `replay`; linear time (prefix function). */
export function longestOverlap(shown: readonly string[], replay: readonly string[]): number {
  const fail = prefixFunction(replay);
  let matched = 0;
  for (const line of shown.slice(-replay.length)) {
    while (matched > 0 && (matched === replay.length || replay[matched] !== line)) matched = fail[matched - 1] ?? 0;
    if (replay[matched] === line) matched += 1;
  }
  return matched;
}

/** Where all of `part` stands in `whole` for the last time, or -1. */
function indexOfAll(whole: readonly string[], part: readonly string[]): number {
  if (part.length > whole.length) return -1;
  const fail = prefixFunction(part);
  let found = -1;
  let matched = 0;
  whole.forEach((line, i) => {
    while (matched > 0 && (matched === part.length || part[matched] !== line)) matched = fail[matched - 1] ?? 0;
    if (part[matched] === line) matched += 1;
    if (matched === part.length) found = i + 1 - part.length;
  });
  return found;
}

function prefixFunction(lines: readonly string[]): number[] {
  const fail = new Array<number>(lines.length).fill(0);
  for (let i = 1; i < lines.length; i += 1) {
    let k = fail[i - 1] ?? 0;
    while (k > 0 && lines[i] !== lines[k]) k = fail[k - 1] ?? 0;
    fail[i] = lines[i] === lines[k] ? k + 1 : k;
  }
  return fail;
}

/** One or two lines such as a blank one or a prompt are chance, not a seam; losing a line would be worse than a mark. */
function isEvidence(lines: readonly string[], everything: boolean): boolean {
  const words = lines.filter((line) => line.trim() !== '');
  if (words.length === 0) return false;
  return everything || words.length >= 3 || words.reduce((sum, line) => sum + line.length, 0) >= 24;
}
