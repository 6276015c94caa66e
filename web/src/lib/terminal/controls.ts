/**
 * What a person does in the terminal with keys, links and the clipboard. Keys scroll, copy and search; all others stay
 * with the browser. Nothing here goes to the server.
 */

import type { Terminal } from '@xterm/xterm';

export interface KeyEvents {
  wantsSearch(): void;
  copied(): void;
  /** A key that scrolls upwards was pressed. */
  lookedUp(): void;
  /** The same downwards. */
  lookedDown(): void;
}

/** For xterm: always false, so that it does nothing with keys by itself; Tab above all stays with the browser. */
export function keyHandler(terminal: Terminal, events: KeyEvents): (event: KeyboardEvent) => boolean {
  const moves: Record<string, () => void> = {
    ArrowUp: () => terminal.scrollLines(-1),
    ArrowDown: () => terminal.scrollLines(1),
    PageUp: () => terminal.scrollPages(-1),
    PageDown: () => terminal.scrollPages(1),
    Home: () => terminal.scrollToTop(),
    End: () => terminal.scrollToBottom(),
  };
  return (event) => {
    if (event.type !== 'keydown') return false;
    const command = event.ctrlKey || event.metaKey;
    const move = command || event.altKey ? undefined : moves[event.key];
    if (command && !event.altKey && event.key.toLowerCase() === 'f') {
      event.preventDefault();
      events.wantsSearch();
    } else if (command && event.key.toLowerCase() === 'c' && terminal.hasSelection()) {
      event.preventDefault();
      void copyText(terminal.getSelection()).then((done) => done && events.copied());
    } else if (command && event.key.toLowerCase() === 'a') {
      event.preventDefault();
      terminal.selectAll();
    } else if (move) {
      event.preventDefault();
      move();
      if (event.key === 'ArrowUp' || event.key === 'PageUp' || event.key === 'Home') events.lookedUp();
      else events.lookedDown();
    }
    return false;
  };
}

/** The address as the browser understands it, host in its real letters; null for anything but the web. */
export function webTarget(uri: string): string | null {
  try {
    const url = new URL(uri);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

export function openLink(uri: string): void {
  const target = webTarget(uri);
  if (target) window.open(target, '_blank', 'noopener,noreferrer');
}

/** Also where the clipboard API is missing, as on plain HTTP. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    field.style.position = 'fixed';
    field.style.opacity = '0';
    document.body.append(field);
    field.select();
    // The only way on a page without a secure context.
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}
