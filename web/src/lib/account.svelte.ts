/** Who is signed in. Views read it; it alone talks to the panel about sessions. */

import * as api from './api';

class AccountState {
  /** `asking` until the panel has answered once. */
  phase = $state<'asking' | 'in' | 'out' | 'failed'>('asking');
  who = $state.raw<api.Account | null>(null);
  /** Why nothing is known, while `failed`. */
  trouble = $state('');
  /** Said above the sign-in form. */
  hint = $state('');

  async ask(): Promise<void> {
    try {
      this.who = await api.me();
      this.phase = this.who ? 'in' : 'out';
    } catch (error) {
      this.trouble = error instanceof api.Problem ? error.message : String(error);
      this.phase = 'failed';
    }
  }

  async signIn(user: string, password: string): Promise<void> {
    await api.login(user, password);
    this.hint = '';
    await this.ask();
  }

  async signOut(): Promise<void> {
    try {
      await api.logout();
    } catch (error) {
      // Already ended is as good as ended; anything else must not look like success.
      if (!(error instanceof api.Problem && error.status === 401)) throw error;
    }
    this.who = null;
    this.hint = 'You are signed out.';
    this.phase = 'out';
  }

  /** A call was answered with 401: the session has ended elsewhere. */
  ended(): void {
    if (this.phase !== 'in') return;
    this.who = null;
    this.hint = 'Your session has ended. Sign in to go on.';
    this.phase = 'out';
  }
}

export const account = new AccountState();
