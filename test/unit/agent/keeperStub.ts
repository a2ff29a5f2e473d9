/** A keeper as an agent sees it. */
import type { KeeperLink } from '../../../src/agent/guarding.ts';
import type { KeeperState } from '../../../src/keeper/contract.ts';

export const LIFE = { bootID: 'boot-1', term: 1 };

/** A keeper as an agent sees it, and what was asked of it. */
export function createKeeperStub(admit: (id: string, term: number) => void = () => {}) {
  const guarded = new Map<string, string>();
  const asked: string[] = [];
  const host = { life: LIFE, isOpen: true, isGone: false };
  const state = (): KeeperState => ({
    life: host.life,
    isOpen: host.isOpen,
    guarded: [...guarded],
    watchdog: 'Ready',
  });
  const reach = (what: string) => {
    asked.push(what);
    if (host.isGone) throw new Error('the keeper has gone');
  };
  const link: KeeperLink = {
    state: async () => {
      reach('state');
      return state();
    },
    guard: async (key, id) => {
      reach(`guard ${key}`);
      guarded.set(key, id);
      admit(id, host.life.term);
      return host.life;
    },
    release: async (key) => {
      reach(`release ${key}`);
      guarded.delete(key);
    },
    retire: async () => host.life,
    end: async () => void asked.push('end'),
  };
  /** Nobody has heard the host for too long: what was guarded is dead, and another life begins. */
  const kill = (end: (id: string) => void) => {
    for (const id of guarded.values()) end(id);
    guarded.clear();
    host.life = { ...host.life, term: host.life.term + 1 };
  };
  return { link, host, guarded, asked, kill };
}
