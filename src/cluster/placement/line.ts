/**
 * Guests that wait because no host takes them, in classes that ask for the same: when a host changes or somebody leaves it, as many are
 * woken as it can take, and nobody else.
 */
import type { Scheduler } from './scheduler.ts';
import type { Want } from './want.ts';

export type Line = {
  /** The guest waits for a host that takes it. */
  join(id: string, want: Want): void;
  /** It waits no more, or for something else. */
  leave(id: string): void;
  /** Guests that this host may take now. */
  candidates(host: string): string[];
};

type Class = { want: Want; ids: Set<string> };

export function createLine(scheduler: Pick<Scheduler, 'takes' | 'room'>): Line {
  const classes = new Map<string, Class>();
  const places = new Map<string, string>();

  const leave = (id: string): void => {
    const key = places.get(id);
    if (key === undefined) return;
    places.delete(id);
    const known = classes.get(key);
    known?.ids.delete(id);
    if (known?.ids.size === 0) classes.delete(key);
  };

  return {
    leave,
    join: (id, want) => {
      const key = classKey(id, want);
      if (places.get(id) === key) return;
      leave(id);
      places.set(id, key);
      const known = classes.get(key);
      if (known === undefined) classes.set(key, { want, ids: new Set([id]) });
      else known.ids.add(id);
    },
    candidates: (host) => {
      const woken: string[] = [];
      for (const { want, ids } of classes.values()) {
        if (!scheduler.takes(host, want)) continue;
        let left = scheduler.room(host, want);
        for (const id of ids) {
          if (left < 1) break;
          woken.push(id);
          left -= 1;
        }
      }
      return woken;
    },
  };
}

/** Guests alike, labels included, stand for each other unless they have rules of their own. */
function classKey(id: string, { shapeKey, cpus, memoryBytes, company }: Want): string {
  const [, ...labels] = company.handles;
  return company.rules.length > 0 ? id : JSON.stringify([shapeKey, cpus, memoryBytes, labels]);
}
