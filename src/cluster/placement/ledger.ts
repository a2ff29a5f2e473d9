/**
 * What is promised on each host: the sum of what guests placed there ask for, kept up to date change by change, with claims that
 * were just made and have not come back through the watch yet. So nothing is promised twice and no pass adds up all guests.
 */

import type { Stored } from '../../api/meta.ts';
import type { InformerChange } from '../../client/contract.ts';
import { demandOf, type Guest } from '../guests.ts';

export type Allocation = { cpus: number; memoryBytes: number; guests: number };
type Entry = { host: string; cpus: number; memoryBytes: number };

export type Ledger = {
  allocated(host: string): Allocation;
  /** Takes in one change of the watch. `id` tells guests of all kinds apart. */
  observe<T extends Guest>(id: string, change: InformerChange<T>): void;
  /** Books a claim before it is written. */
  assume(id: string, guest: Guest, host: string): void;
  /** Takes back a claim whose write was refused. */
  forget(id: string): void;
  /** Called with the name of a host whose sum has changed. */
  onChange(listener: (host: string) => void): () => void;
};

export function createLedger(): Ledger {
  const observed = new Map<string, Entry>();
  const assumed = new Map<string, Entry>();
  const sums = new Map<string, Allocation>();
  const listeners = new Set<(host: string) => void>();

  function book(entry: Entry | undefined, sign: 1 | -1): void {
    if (entry === undefined) return;
    const sum = sums.get(entry.host) ?? { cpus: 0, memoryBytes: 0, guests: 0 };
    sums.set(entry.host, {
      cpus: sum.cpus + sign * entry.cpus,
      memoryBytes: sum.memoryBytes + sign * entry.memoryBytes,
      guests: sum.guests + sign,
    });
    for (const listener of listeners) listener(entry.host);
  }

  /** A guest counts once: by what the watch shows, else by what was assumed. `change` alters the two maps. */
  function rebook(id: string, change: () => void): void {
    const before = observed.get(id) ?? assumed.get(id);
    change();
    const after = observed.get(id) ?? assumed.get(id);
    const same =
      before?.host === after?.host &&
      before?.cpus === after?.cpus &&
      before?.memoryBytes === after?.memoryBytes;
    if (same) return;
    book(before, -1);
    book(after, 1);
  }

  return {
    allocated: (host) => sums.get(host) ?? { cpus: 0, memoryBytes: 0, guests: 0 },
    observe: (id, { after }) =>
      rebook(id, () => {
        const host = after?.status?.placement?.host;
        if (after === undefined || host === undefined) observed.delete(id);
        else observed.set(id, entryOf(after, host));
        // A claim on its way still counts while the watch shows the guest without a host.
        if (after === undefined || host !== undefined) assumed.delete(id);
      }),
    assume: (id, guest, host) => rebook(id, () => assumed.set(id, entryOf(guest, host))),
    forget: (id) => rebook(id, () => assumed.delete(id)),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function entryOf(guest: Guest | Stored<Guest>, host: string): Entry {
  const { cpus, memoryBytes } = demandOf(guest);
  return { host, cpus, memoryBytes };
}
