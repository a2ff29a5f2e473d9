/** What would become of each guest of a host if it went into maintenance now, from a snapshot of the cluster. Pure. */
import type { Host, HostSpec } from '../../api/kinds/host.ts';
import type { MaintenanceGuest } from '../../api/maintenance.ts';
import type { Stored } from '../../api/meta.ts';
import { movedGuest } from '../migration/board.ts';
import { type Snapshot, setsOf } from '../placement/explain.ts';
import { factsOf } from './guests.ts';
import { planLeave } from './leave.ts';
import { leaveRefusal } from './refusal.ts';

/** As if there were no limit of moves at the same time: each guest is asked by itself. */
export function previewMaintenance(
  host: Stored<Host>,
  maintenance: NonNullable<HostSpec['maintenance']>,
  snapshot: Snapshot,
): readonly MaintenanceGuest[] {
  const { name } = host.metadata;
  const sets = setsOf(snapshot);
  const guests = snapshot.guests
    .filter(({ status }) => status?.placement?.host === name)
    .map((guest) => {
      return factsOf(guest, host, {
        migrationsOf: (key) => snapshot.migrations.filter((migration) => movedGuest(migration) === key),
        companions: sets.scheduler.bound(guest).map(({ key }) => key),
      });
    });
  return planLeave({
    host: name,
    maintenance: { ...maintenance, parallel: guests.length + 1 },
    since: 0,
    now: 0,
    guests,
    refusal: ({ guest }, moves) => leaveRefusal(guest, host, moves, sets),
  }).guests;
}
