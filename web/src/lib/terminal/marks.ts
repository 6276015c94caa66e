/**
 * Draws the console's own rows: a box of the page over a row of plain text, in a form that output can't take. The
 * text below is for copying, searching and reading aloud.
 */

import type { Terminal } from '@xterm/xterm';
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
