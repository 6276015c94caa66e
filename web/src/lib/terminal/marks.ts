/**
 * What the page draws over the terminal: the console's own rows, as boxes in a form that output can't take (the text
 * below is for copying, searching and reading aloud), and a still picture while all rows are written anew.
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
