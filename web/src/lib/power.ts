/** When which power button makes sense, and why not. What is really carried out, the node decides. */

import type { PowerAction, PowerState } from './socket/events';

export const POWER_ACTIONS: readonly PowerAction[] = ['start', 'restart', 'stop', 'kill'];

/** Null where the action makes sense, else the reason in a few words. `null` as state: not known yet. */
export function whyNot(action: PowerAction, state: PowerState | null, suspended: boolean): string | null {
  if (suspended && action !== 'kill' && action !== 'stop') return 'The server is suspended.';
  if (state === null) return 'The state of the server is not known yet.';
  switch (action) {
    case 'start':
      if (state === 'offline') return null;
      return state === 'stopping' ? 'The server is still stopping.' : `The server is already ${state}.`;
    case 'restart':
    case 'stop':
      if (state === 'offline') return 'The server is offline.';
      return state === 'stopping' ? 'The server is stopping; kill ends it at once.' : null;
    case 'kill':
      return state === 'offline' ? 'The server is offline.' : null;
  }
}
