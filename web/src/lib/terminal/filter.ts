/**
 * Makes a line of a server's output harmless before the terminal sees it. Colours and text styles, tab, carriage
 * return, backspace and erase-in-line pass; every other control function is dropped with all that belongs to it: titles,
 * clipboard (OSC 52), hyperlinks (OSC 8), device queries that make a terminal type back, cursor movement, alternate
 * screen, modes, and marks that turn the direction of text.
 *
 * It works on one line at a time: what a line leaves open ends with the line. A line that comes in pieces is read piece
 * by piece; a control function that is cut goes on in the next one. Drawing is the terminal's business.
 */

const ESC = '\u001b';

/** Characters without which a line is passed on as it is: the fast path. */
// eslint-disable-next-line no-control-regex
const SUSPECT = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]/;

/** Text styles that are left out: blink (disturbs), conceal (hides text that a copy would carry). */
const UNWANTED_STYLES = new Set(['5', '05', '6', '06', '8', '08']);

/** Of a cut control function, more than this is not looked at again: no sequence that passes is longer. */
const MOST_CUT = 256;

// eslint-disable-next-line no-control-regex
const STRING_END = /(?:[\u0007\u009c]|\u001b\\)$/;
/** One whole escape sequence, control sequence or control string. */
// eslint-disable-next-line no-control-regex
const WHOLE = /^\u001b(?:\[[ -?]*[@-~]|[PX\]^_][^]*(?:[\u0007\u009c]|\u001b\\)|(?![[PX\]^_])[ -/]*[0-~])$/;

export function harmless(line: string): string {
  return harmlessPiece(line).text;
}

/** The same for a piece of a line; `cut` is what has to stand before the next piece. */
export function harmlessPiece(line: string): { text: string; cut: string } {
  if (!SUSPECT.test(line)) return { text: line, cut: '' };
  let out = '';
  let i = 0;
  while (i < line.length) {
    const char = line.charAt(i);
    const code = line.charCodeAt(i);
    if (isCut(line, i, code)) return { text: out, cut: shortened(line.slice(i)) };
    if (char === ESC) {
      const end = escapeEnd(line, i);
      out += keptEscape(line.slice(i, end));
      i = end;
    } else if (code === 0x9b) {
      const end = csiEnd(line, i + 1);
      out += keptEscape(`${ESC}[${line.slice(i + 1, end)}`);
      i = end;
    } else if (isStringOpener8(code)) {
      i = stringEnd(line, i + 1);
    } else {
      if (isKept(char, code)) out += char;
      i += 1;
    }
  }
  return { text: out, cut: '' };
}

/** Whether the control function that begins at `start` runs over the end of the line. */
function isCut(line: string, start: number, code: number): boolean {
  if (code === 0x1b) {
    const end = escapeEnd(line, start);
    return end === line.length && !WHOLE.test(line.slice(start));
  }
  if (code === 0x9b) return csiEnd(line, start + 1) === line.length && !WHOLE.test(`${ESC}[${line.slice(start + 1)}`);
  return isStringOpener8(code) && stringEnd(line, start + 1) === line.length && !STRING_END.test(line);
}

/** What a control string holds never counts: its opener is enough to read on. */
function shortened(cut: string): string {
  const opener = /^(?:\u001b[PX\]^_]|[\u0090\u0098\u009d-\u009f])/.exec(cut); // eslint-disable-line no-control-regex
  return opener ? opener[0] : cut.slice(0, MOST_CUT);
}

/** Tab, carriage return, backspace, line feed and all that prints. */
function isKept(char: string, code: number): boolean {
  if (code === 0x08 || code === 0x09 || code === 0x0a || code === 0x0d) return true;
  return !SUSPECT.test(char);
}

/** DCS, SOS, OSC, PM and APC as single characters. */
function isStringOpener8(code: number): boolean {
  return code === 0x90 || code === 0x98 || code === 0x9d || code === 0x9e || code === 0x9f;
}

/** Index after the escape sequence that begins at `start`. */
function escapeEnd(line: string, start: number): number {
  const next = line.charAt(start + 1);
  if (next === '') return line.length;
  if (next === '[') return csiEnd(line, start + 2);
  if ('PX]^_'.includes(next)) return stringEnd(line, start + 2);
  // ESC, intermediates 0x20-0x2f, one final character. A control character ends it and is looked at by itself.
  let i = start + 1;
  while (i < line.length && inRange(line, i, 0x20, 0x2f)) i += 1;
  return inRange(line, i, 0x30, 0x7e) ? i + 1 : i;
}

/** Index after parameters, intermediates and final character of a control sequence. */
function csiEnd(line: string, start: number): number {
  let i = start;
  while (i < line.length && inRange(line, i, 0x20, 0x3f)) i += 1;
  return inRange(line, i, 0x40, 0x7e) ? i + 1 : i;
}

/** Index after a control string: it ends with BEL, ST or the line. */
function stringEnd(line: string, start: number): number {
  for (let i = start; i < line.length; i += 1) {
    const code = line.charCodeAt(i);
    if (code === 0x07 || code === 0x9c) return i + 1;
    if (code === 0x1b) return line.charAt(i + 1) === '\\' ? i + 2 : i;
  }
  return line.length;
}

function inRange(line: string, i: number, low: number, high: number): boolean {
  const code = line.charCodeAt(i);
  return code >= low && code <= high;
}

/** The sequence itself where it may pass, else nothing. */
function keptEscape(sequence: string): string {
  const erase = /^\u001b\[([012]?)K$/.exec(sequence); // eslint-disable-line no-control-regex
  if (erase) return sequence;
  const style = /^\u001b\[([0-9;:]*)m$/.exec(sequence); // eslint-disable-line no-control-regex
  if (!style) return '';
  return keptStyle(style[1] ?? '');
}

function keptStyle(parameters: string): string {
  if (parameters.length > 200) return '';
  const kept: string[] = [];
  const given = parameters.split(';');
  for (let i = 0; i < given.length; i += 1) {
    const parameter = given[i] ?? '';
    if (parameter === '38' || parameter === '48' || parameter === '58') {
      // An extended colour takes its numbers along: `38;5;n` or `38;2;r;g;b`.
      const length = given[i + 1] === '5' ? 3 : given[i + 1] === '2' ? 5 : 1;
      if (length > 1) kept.push(...given.slice(i, i + length));
      i += length - 1;
    } else if (!UNWANTED_STYLES.has(parameter.split(':')[0] ?? '')) {
      kept.push(parameter);
    }
  }
  return kept.length === 0 ? '' : `${ESC}[${kept.join(';')}m`;
}
