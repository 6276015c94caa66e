/**
 * Which view the address names, and how to get to another one without loading the page. Five routes need no library.
 */

export type Route =
  | { view: 'servers' }
  | { view: 'server'; id: string }
  | { view: 'sockets' }
  | { view: 'audit' }
  | { view: 'unknown' };

export function routeOf(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  const [first, second] = parts;
  if (parts.length === 0) return { view: 'servers' };
  if (first === 'server' && second !== undefined && parts.length === 2) return { view: 'server', id: decoded(second) };
  if (first === 'admin' && second === 'sockets' && parts.length === 2) return { view: 'sockets' };
  if (first === 'admin' && second === 'audit' && parts.length === 2) return { view: 'audit' };
  return { view: 'unknown' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Router {
  path = $state(location.pathname);
  route = $derived(routeOf(this.path));

  constructor() {
    addEventListener('popstate', () => (this.path = location.pathname));
    document.addEventListener('click', (event) => this.#follow(event));
  }

  go(path: string): void {
    history.pushState(null, '', path);
    this.path = location.pathname;
    scrollTo(0, 0);
  }

  /** Plain clicks on links within the console; everything else is the browser's. */
  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin || link.hash !== '' || link.pathname.startsWith('/api/')) return;
    event.preventDefault();
    this.go(link.pathname);
  }
}

export const router = new Router();
