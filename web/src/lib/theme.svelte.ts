/** Light or dark: the system's choice, until somebody makes another one. `public/theme.js` sets it before the paint. */

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'roost:theme';

class ThemeChoice {
  chosen = $state<Theme>(stored());
  #systemDark = $state(matchMedia('(prefers-color-scheme: dark)').matches);
  /** What is really shown. */
  shown = $derived<'light' | 'dark'>(this.chosen === 'system' ? (this.#systemDark ? 'dark' : 'light') : this.chosen);

  constructor() {
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => (this.#systemDark = event.matches));
  }

  /** System, light, dark, and around again. */
  next(): void {
    this.chosen = this.chosen === 'system' ? 'light' : this.chosen === 'light' ? 'dark' : 'system';
    try {
      if (this.chosen === 'system') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, this.chosen);
    } catch {
      // Not kept then.
    }
    if (this.chosen === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.chosen;
  }
}

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

export const theme = new ThemeChoice();
