/**
 * What is promised on each host: the sum of what guests placed there ask for and whom they keep near or away, kept up to date change by
 * change, with claims that were just made and have not come back through the watch yet. So nothing is promised twice and no pass adds up
 * all guests.
 */

import type { Stored } from '../../api/meta.ts';
import type { InformerChange } from '../../client/contract.ts';
import { demandOf, type Guest } from '../guests.ts';
import { type Company, companyOf } from './company.ts';
import type { FindGroup } from './membership.ts';
import { createNeighbours, type Neighbours, type Resident } from './neighbours.ts';

/** `changes` is another number after each change of the others. */
export type Allocation = { cpus: number; memoryBytes: number; guests: number; changes: number };
/** `guest`: as it was last seen, also where an equal entry is the one that is booked. */
type Entry = Resident & { guest: Guest; cpus: number; memoryBytes: number; company: Company };

export type Ledger = {
  /** Always the same object for a host: it changes as promises do. */
  allocated(host: string): Readonly<Allocation>;
  readonly neighbours: Omit<Neighbours<Entry>, 'enter' | 'leave'>;
  /** Takes in one change of the watch. `id` tells guests of all kinds apart. */
  observe<T extends Guest>(id: string, change: InformerChange<T>): void;
  /** Books a claim before it is written. */
  assume(id: string, guest: Guest, host: string): void;
  /** Books a place for a guest that is to move there, under an id of its own: it counts where it is as well. */
  expect(id: string, guest: Guest, host: string): void;
  /** Takes back a claim whose write was refused, or a place that is not needed any more. */
  forget(id: string): void;
  /** An HAGroup has other guests or other rules: whom each guest keeps near or away is read again. */
  regroup(): void;
  /** Called with the name of a host whose sum has changed; `freed`: somebody has left it. */
  onChange(listener: (host: string, freed: boolean) => void): () => void;
};

export function createLedger(groupOf: FindGroup = () => undefined): Ledger {
  const observed = new Map<string, Entry>();
  const assumed = new Map<string, Entry>();
  const sums = new Map<string, Allocation>();
  const neighbours = createNeighbours<Entry>();
  const listeners = new Set<(host: string, freed: boolean) => void>();

  function sumOf(host: string): Allocation {
    const known = sums.get(host);
    if (known !== undefined) return known;
    const sum = { cpus: 0, memoryBytes: 0, guests: 0, changes: 0 };
    sums.set(host, sum);
    return sum;
  }

  function book(entry: Entry | undefined, sign: 1 | -1): void {
    if (entry === undefined) return;
    const sum = sumOf(entry.host);
    sum.cpus += sign * entry.cpus;
    sum.memoryBytes += sign * entry.memoryBytes;
    sum.guests += sign;
    sum.changes += 1;
    if (sign === 1) neighbours.enter(entry);
    else neighbours.leave(entry);
  }

  /** A guest counts once: by what the watch shows, else by what was assumed. `change` alters the two maps. */
  function rebook(id: string, change: () => void): void {
    const before = observed.get(id) ?? assumed.get(id);
    change();
    const after = observed.get(id) ?? assumed.get(id);
    if (isSame(before, after)) {
      keepBooked(id, before, after);
      return;
    }
    book(before, -1);
    book(after, 1);
    for (const listener of listeners) {
      if (before !== undefined) listener(before.host, true);
      if (after !== undefined && after.host !== before?.host) listener(after.host, false);
    }
  }

  /** What is booked is the entry that leaves later: an equal one takes its place only in the maps. */
  function keepBooked(id: string, before: Entry | undefined, after: Entry | undefined): void {
    if (before === undefined || after === undefined) return;
    before.guest = after.guest;
    (observed.get(id) === undefined ? assumed : observed).set(id, before);
  }

  return {
    allocated: sumOf,
    neighbours,
    observe: (id, { after }) =>
      rebook(id, () => {
        const host = after?.status?.placement?.host;
        if (after === undefined || host === undefined) observed.delete(id);
        else observed.set(id, entryOf(after, host, groupOf));
        // A claim on its way still counts while the watch shows the guest without a host.
        if (after === undefined || host !== undefined) assumed.delete(id);
      }),
    assume: (id, guest, host) => rebook(id, () => assumed.set(id, entryOf(guest, host, groupOf))),
    expect: (id, guest, host) =>
      rebook(id, () => assumed.set(id, { ...entryOf(guest, host, groupOf), isExpected: true })),
    forget: (id) => rebook(id, () => assumed.delete(id)),
    regroup: () => {
      for (const entries of [assumed, observed])
        for (const [id, { guest, host, isExpected = false }] of [...entries])
          rebook(id, () => entries.set(id, { ...entryOf(guest, host, groupOf), isExpected }));
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function isSame(a: Entry | undefined, b: Entry | undefined): boolean {
  return (
    a?.host === b?.host &&
    a?.isExpected === b?.isExpected &&
    a?.cpus === b?.cpus &&
    a?.memoryBytes === b?.memoryBytes &&
    a?.company.key === b?.company.key
  );
}

function entryOf(guest: Guest | Stored<Guest>, host: string, groupOf: FindGroup): Entry {
  const { cpus, memoryBytes } = demandOf(guest);
  return { guest, host, cpus, memoryBytes, company: companyOf(guest, groupOf(guest)), isExpected: false };
}
