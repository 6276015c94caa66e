/** The terminal's colours in both themes. Contrast is lifted by the terminal where a server's own choice is too faint. */

import type { ITheme } from '@xterm/xterm';

export const PALETTES: Record<'light' | 'dark', ITheme> = {
  light: {
    background: '#fbf8ef',
    foreground: '#232b28',
    cursor: '#fbf8ef',
    cursorAccent: '#fbf8ef',
    selectionBackground: '#cfe0d4',
    selectionInactiveBackground: '#dfe6da',
    black: '#232b28',
    red: '#a8322a',
    green: '#2a6b3c',
    yellow: '#835400',
    blue: '#245a94',
    magenta: '#85407f',
    cyan: '#1b666d',
    white: '#6b706a',
    brightBlack: '#5b625d',
    brightRed: '#bf3a30',
    brightGreen: '#2f7a44',
    brightYellow: '#8f5e00',
    brightBlue: '#2b69ab',
    brightMagenta: '#994a92',
    brightCyan: '#1f747c',
    brightWhite: '#3a433f',
  },
  dark: {
    background: '#0e1416',
    foreground: '#dfdcd1',
    cursor: '#0e1416',
    cursorAccent: '#0e1416',
    selectionBackground: '#2f4a45',
    selectionInactiveBackground: '#26383a',
    black: '#2b3436',
    red: '#ec8a7c',
    green: '#8ccf95',
    yellow: '#e3bd6a',
    blue: '#86b5e6',
    magenta: '#cf9fd0',
    cyan: '#82cbc9',
    white: '#d6d3c8',
    brightBlack: '#7f8b88',
    brightRed: '#f5a89c',
    brightGreen: '#a6deac',
    brightYellow: '#f0d08a',
    brightBlue: '#a6caf0',
    brightMagenta: '#dfb8e0',
    brightCyan: '#a0dcda',
    brightWhite: '#f4f1e6',
  },
};

/** Colours of search matches; the search add-on wants `#rrggbb`. */
export const MATCH = {
  light: { match: '#f2dfae', active: '#e9b94e', ruler: '#b0721a' },
  dark: { match: '#4a3d1c', active: '#8a6a1e', ruler: '#e6b85c' },
};
