/** What wakes a host in maintenance: its guests, their moves, and other hosts that may take them now. */

import { strategyOf } from '../../api/guest.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Migration } from '../../api/kinds/migration.ts';
import type { Informer } from '../../client/contract.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Guest, StoredGuest } from '../guests.ts';
import { movedGuest } from '../migration/board.ts';
import type { Scheduler } from '../placement/scheduler.ts';
import { mayBeEmptied } from './orders.ts';

/** The indexes the informers of guests need for it. */
export const maintenanceIndexes = {
  host: ({ status }: Guest) => (status?.placement === undefined ? [] : [status.placement.host]),
  maintained: ({ status }: Guest) => (status?.maintenance === undefined ? [] : [status.maintenance.host]),
};

/** A guest came, left, stopped, or can move now. */
export function maintainedByGuests<T extends Guest>(guests: Informer<T>, hosts: Informer<Host>): Trigger {
  return trigger(guests, ({ before, after }) => {
    if (before !== undefined && after !== undefined && view(before) === view(after)) return [];
    return [...concerned(before, hosts), ...concerned(after, hosts)];
  });
}

/** A move began, ended or is gone. */
export function maintainedByMoves(
  migrations: Informer<Migration>,
  hosts: Informer<Host>,
  guest: (key: string) => StoredGuest | undefined,
): Trigger {
  return trigger(migrations, ({ before, after }) => {
    if (before !== undefined && after !== undefined && before.status?.phase === after.status?.phase)
      return [];
    const migration = after ?? before;
    return migration === undefined ? [] : concerned(guest(movedGuest(migration)), hosts);
  });
}

/** Some host offers something else: those that are being emptied look again. */
export function maintainedByOffers(hosts: Informer<Host>, scheduler: Pick<Scheduler, 'onChange'>): Trigger {
  return {
    subscribe: (enqueue) =>
      scheduler.onChange(() => {
        for (const { metadata } of hosts.byIndex('maintenance', 'on')) enqueue(metadata.name);
      }),
  };
}

function concerned(guest: Guest | undefined, hosts: Informer<Host>): string[] {
  const at = guest?.status?.placement?.host;
  const record = guest?.status?.maintenance?.host;
  const isEmptied = at !== undefined && mayHaveToLeave(hosts.get(at));
  return [...(isEmptied ? [at] : []), ...(record === undefined ? [] : [record])];
}

function mayHaveToLeave(host: Host | undefined): boolean {
  return host !== undefined && mayBeEmptied(host);
}

function view({ spec, status, metadata }: Guest): string {
  return JSON.stringify([
    strategyOf(spec),
    metadata.deletionTimestamp,
    status?.placement,
    status?.maintenance,
    status?.runRequest?.action,
    ...['Running', 'Migratable'].map((type) => findCondition(status?.conditions, type)?.status),
  ]);
}
