/**
 * The terminal on the page: xterm with what a console needs around it. Lines come in, are made harmless and are
 * written in batches; marks of the console's own are drawn over their row in a way that output can't imitate. Nothing
 * that the terminal would like to send goes anywhere: its input is off and nobody listens to it.
 *
 * Which lines, and in which order, is the stream's business.
 */

import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import type { Notice } from '../socket/session';
import { harmless } from './filter';
import { MATCH, PALETTES } from './palette';

/** Lines that can be scrolled back to. Older ones leave the screen; the node's journal still has them. */
export const SCROLLBACK = 20_000;
/** Lines are written together after this many milliseconds. */
const BATCH_MS = 16;

export interface ScreenEvents {
  /** Whether the newest line is in sight, and how many came since it was last. */
  scrolled(atBottom: boolean, unseen: number): void;
  /** The target of the link under the pointer. */
  link(target: string | null): void;
  matches(index: number, count: number): void;
  /** Ctrl+F or Cmd+F was pressed in the terminal. */
  wantsSearch(): void;
  copied(): void;
}

export interface ScreenLook {
  theme: 'light' | 'dark';
  fontSize: number;
  screenReader: boolean;
}

type Item = { line: string } | { kind: Notice['kind']; text: string };

export class TerminalScreen {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon({ highlightLimit: 500 });
  readonly #observer: ResizeObserver;
  #pending: Item[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unseen = 0;
  #theme: 'light' | 'dark';

  constructor(
    element: HTMLElement,
    look: ScreenLook,
    readonly events: ScreenEvents,
  ) {
    this.#theme = look.theme;
    this.#terminal = new Terminal({
      allowProposedApi: true,
      convertEol: true,
      cursorBlink: false,
      cursorInactiveStyle: 'none',
      disableStdin: true,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--font-mono'),
      fontSize: look.fontSize,
      lineHeight: 1.25,
      minimumContrastRatio: 4.5,
      screenReaderMode: look.screenReader,
      scrollback: SCROLLBACK,
      smoothScrollDuration: 0,
      theme: PALETTES[look.theme],
      // The filter lets no OSC 8 through; should one ever come, it opens nothing.
      linkHandler: { activate: () => undefined },
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.loadAddon(this.#search);
    this.#terminal.loadAddon(new Unicode11Addon());
    this.#terminal.unicode.activeVersion = '11';
    this.#terminal.loadAddon(new WebLinksAddon((_, uri) => openLink(uri), { hover: (_, uri) => events.link(webTarget(uri)), leave: () => events.link(null) }));
    this.#terminal.open(element);
    this.#terminal.attachCustomKeyEventHandler((event) => this.#key(event));
    this.#terminal.onScroll(() => this.#tellScroll());
    this.#terminal.onWriteParsed(() => this.#tellScroll());
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) => events.matches(resultIndex, resultCount));
    this.#observer = new ResizeObserver(() => this.#fit.fit());
    this.#observer.observe(element);
    // The hidden field of the terminal takes no text: it is there for selection and scrolling only.
    const field = element.querySelector('textarea');
    field?.setAttribute('aria-label', 'Console output. Scroll with the arrow and page keys; Control F searches.');
    field?.setAttribute('readonly', '');
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#observer.disconnect();
    this.#terminal.dispose();
  }

  lines(lines: string[]): void {
    for (const line of lines) this.#pending.push({ line });
    // More than the scrollback holds would only be written to leave it again.
    if (this.#pending.length > SCROLLBACK + 1_000) this.#pending = this.#pending.slice(-SCROLLBACK);
    this.#soon();
  }

  mark(kind: Notice['kind'], text: string): void {
    this.#pending.push({ kind, text });
    this.#soon();
  }

  look({ theme, fontSize, screenReader }: ScreenLook): void {
    this.#theme = theme;
    this.#terminal.options.theme = PALETTES[theme];
    this.#terminal.options.screenReaderMode = screenReader;
    if (this.#terminal.options.fontSize !== fontSize) {
      this.#terminal.options.fontSize = fontSize;
      this.#fit.fit();
    }
  }

  toBottom(): void {
    this.#terminal.scrollToBottom();
    this.#tellScroll();
  }

  page(direction: 1 | -1): void {
    this.#terminal.scrollPages(direction);
  }

  focus(): void {
    this.#terminal.focus();
  }

  find(term: string, back: boolean, incremental = false): void {
    if (term === '') {
      this.clearSearch();
      this.events.matches(-1, 0);
      return;
    }
    const { match, active, ruler } = MATCH[this.#theme];
    const options = { incremental, decorations: { matchBackground: match, activeMatchBackground: active, matchOverviewRuler: ruler, activeMatchColorOverviewRuler: ruler } };
    if (back) this.#search.findPrevious(term, options);
    else this.#search.findNext(term, options);
  }

  clearSearch(): void {
    this.#search.clearDecorations();
    this.#terminal.clearSelection();
  }

  /** What is selected, or else everything that can be scrolled to. */
  text(): { text: string; selected: boolean } {
    if (this.#terminal.hasSelection()) return { text: this.#terminal.getSelection(), selected: true };
    const buffer = this.#terminal.buffer.active;
    let text = '';
    for (let y = 0; y < buffer.length; y += 1) {
      const row = buffer.getLine(y);
      if (!row) continue;
      if (y > 0 && !row.isWrapped) text += '\n';
      text += row.translateToString(!buffer.getLine(y + 1)?.isWrapped);
    }
    return { text: `${text.trimEnd()}\n`, selected: false };
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    const items = this.#pending;
    this.#pending = [];
    if (!this.#atBottom()) this.#unseen += items.length;
    let batch = '';
    for (const item of items) {
      if ('line' in item) {
        // The reset keeps one line's colours out of the next one, and out of the marks.
        batch += `${harmless(item.line.replace(/[\r\n]+$/, ''))}\u001b[0m\r\n`;
      } else {
        this.#terminal.write(batch);
        batch = '';
        this.#writeMark(item.kind, item.text);
      }
    }
    if (batch !== '') this.#terminal.write(batch);
  }

  /** A row of plain text, so that it is copied, found and read aloud, and a box of the page's own drawn over it. */
  #writeMark(kind: Notice['kind'], text: string): void {
    const label = kind === 'daemon' ? 'Node' : kind === 'gap' ? 'Gap' : 'Roost';
    const row = harmless(`${label}: ${text}`.replace(/[\r\n\t\b]+/g, ' ')).slice(0, Math.max(20, this.#terminal.cols - 1));
    this.#terminal.write(row, () => {
      const marker = this.#terminal.registerMarker(0);
      const decoration = this.#terminal.registerDecoration({ marker, width: this.#terminal.cols, layer: 'top' });
      let drawn = false;
      decoration?.onRender((element) => {
        if (drawn) return;
        drawn = true;
        element.classList.add('console-mark', kind);
        element.title = text;
        element.setAttribute('aria-hidden', 'true');
        const name = document.createElement('b');
        name.textContent = label;
        element.replaceChildren(name, ` ${text}`);
      });
    });
    this.#terminal.write('\u001b[0m\r\n');
  }

  #atBottom(): boolean {
    const buffer = this.#terminal.buffer.active;
    return buffer.viewportY >= buffer.baseY;
  }

  #tellScroll(): void {
    const atBottom = this.#atBottom();
    if (atBottom) this.#unseen = 0;
    this.events.scrolled(atBottom, this.#unseen);
  }

  /** Keys in the terminal scroll, copy and search; all others stay with the browser, Tab above all. */
  #key(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown') return false;
    const command = event.ctrlKey || event.metaKey;
    if (command && !event.altKey && event.key.toLowerCase() === 'f') {
      event.preventDefault();
      this.events.wantsSearch();
    } else if (command && event.key.toLowerCase() === 'c' && this.#terminal.hasSelection()) {
      event.preventDefault();
      void copyText(this.#terminal.getSelection()).then((done) => done && this.events.copied());
    } else if (command && event.key.toLowerCase() === 'a') {
      event.preventDefault();
      this.#terminal.selectAll();
    } else if (!command && !event.altKey && this.#scroll(event.key)) {
      event.preventDefault();
    }
    return false;
  }

  #scroll(key: string): boolean {
    const terminal = this.#terminal;
    const moves: Record<string, () => void> = {
      ArrowUp: () => terminal.scrollLines(-1),
      ArrowDown: () => terminal.scrollLines(1),
      PageUp: () => terminal.scrollPages(-1),
      PageDown: () => terminal.scrollPages(1),
      Home: () => terminal.scrollToTop(),
      End: () => terminal.scrollToBottom(),
    };
    const move = moves[key];
    move?.();
    return move !== undefined;
  }
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

function openLink(uri: string): void {
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
