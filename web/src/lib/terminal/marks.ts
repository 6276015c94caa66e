/**
 * What the page draws over the terminal: the console's own rows, as boxes in a form that output can't take (the text
 * below is for copying, searching and reading aloud), and a still picture while all rows are written anew.
 */

import type { IDisposable, Terminal } from '@xterm/xterm';
import { cellsOf } from './layout';
import type { Mark } from './rows';

/** Over the row in which the terminal's cursor stands. */
export function drawMark(terminal: Terminal, { kind, label, text }: Mark): void {
  const marker = terminal.registerMarker(0);
  const decoration = terminal.registerDecoration({ marker, width: terminal.cols, layer: 'top' });
  let drawn = false;
  decoration?.onRender((element) => {
    if (drawn) return;
    drawn = true;
    element.classList.add('console-mark', kind);
    element.title = `${label}: ${text}`;
    element.setAttribute('aria-hidden', 'true');
    const name = document.createElement('b');
    name.textContent = label;
    element.replaceChildren(name, ` ${text}`);
  });
}

/** Colours a logical row that begins at `y`, and in it the first place of a text; returns what undoes it. */
export function markRow(terminal: Terminal, y: number, text: string, row: string, place: string): IDisposable[] {
  const buffer = terminal.buffer.active;
  const undo: IDisposable[] = [];
  const colour = (at: number, x: number, width: number, backgroundColor: string) => {
    const marker = terminal.registerMarker(at - buffer.baseY - buffer.cursorY);
    const decoration = terminal.registerDecoration({ marker, x, width, backgroundColor, layer: 'bottom' });
    if (decoration) undo.push(decoration);
    undo.push(marker);
  };
  const found = cellsOf(buffer, y, text);
  for (let at = y; at === y || buffer.getLine(at)?.isWrapped; at += 1) {
    const inRow = found.filter((cell) => cell.y === at);
    const from = inRow[0]?.x ?? 0;
    const to = inRow.reduce((end, cell) => Math.max(end, cell.x + cell.width), 0);
    if (from > 0) colour(at, 0, from, row);
    if (to > from) colour(at, from, to - from, place);
    if (to < terminal.cols) colour(at, to, terminal.cols - to, row);
  }
  return undo;
}

/**
 * Keeps in sight what is drawn now, whatever the terminal does below, until the frame after the one in which the answer
 * is called. Synchronized output alone is not enough: xterm draws selections in between, and all rows with them.
 */
export function cover(terminal: Terminal): () => void {
  const screen = terminal.element?.querySelector('.xterm-screen');
  if (!screen) return () => undefined;
  screen.querySelector('.console-cover')?.remove();
  const still = document.createElement('div');
  still.className = 'console-cover';
  still.setAttribute('aria-hidden', 'true');
  for (const part of screen.querySelectorAll('.xterm-rows, .xterm-decoration-container')) still.append(part.cloneNode(true));
  screen.append(still);
  return () => requestAnimationFrame(() => requestAnimationFrame(() => still.remove()));
}
