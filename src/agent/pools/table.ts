/** The storage pools this host has open: written by the pools' controller, read by guests, images and the Host's status. */
import type { PoolFacts, StoragePool } from '../../drivers/storage/contract.ts';
import { type Announcement, createAnnouncement } from '../announcement.ts';
import type { FoundArchive } from './archives.ts';

export type PoolState =
  | {
      type: 'Open';
      driver: StoragePool;
      facts: PoolFacts;
      allowedNamespaces: readonly string[] | undefined;
      /** What Backups are to be made of again; absent: nobody asked. */
      archives?: readonly FoundArchive[];
    }
  /** Wanted here but not usable. */
  | { type: 'Broken'; reason: string; message: string }
  /** The StoragePool exists and is not for this host. */
  | { type: 'Elsewhere' };

export type PoolTable = {
  get(name: string): PoolState | undefined;
  all(): ReadonlyMap<string, PoolState>;
  set(name: string, state: PoolState | undefined): void;
  /** Name of a pool in which volumes were made or removed: its fill is to be read again. */
  readonly used: Announcement<string>;
  /** Name of a pool that became usable, unusable or allowed to others. */
  readonly usability: Announcement<string>;
  /** Name of a pool of which anything changed, its fill included. */
  readonly changed: Announcement<string>;
};

/** No pool is known. */
export function createPoolTable(): PoolTable {
  const pools = new Map<string, PoolState>();
  const used = createAnnouncement<string>();
  const usability = createAnnouncement<string>();
  const changed = createAnnouncement<string>();
  return {
    used,
    usability,
    changed,
    get: (name) => pools.get(name),
    all: () => pools,
    set: (name, state) => {
      const before = pools.get(name);
      if (state === undefined) pools.delete(name);
      else pools.set(name, state);
      changed.tell(name);
      if (usabilityOf(before) !== usabilityOf(state)) usability.tell(name);
    },
  };
}

function usabilityOf(state: PoolState | undefined): string {
  if (state?.type !== 'Open') return JSON.stringify(state ?? null);
  return JSON.stringify([state.facts.healthy, state.facts.reason, state.allowedNamespaces]);
}
