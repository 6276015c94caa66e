/** The rule by which a set of permission names covers one; the same as the panel's and the node's. */

import type { PowerAction } from './socket/events';

export function allows(permissions: readonly string[], name: string): boolean {
  return permissions.includes(name) || (!name.startsWith('admin') && permissions.includes('*'));
}

/** Which permission a power action takes. */
export const POWER_PERMISSION: Record<PowerAction, string> = {
  start: 'control.start',
  restart: 'control.restart',
  stop: 'control.stop',
  kill: 'control.stop',
};
