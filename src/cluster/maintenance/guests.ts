/** What a maintenance has to know of one guest, gathered from what everybody reports. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { GuestMaintenance } from '../../api/maintenance.ts';
import type { Stored } from '../../api/meta.ts';
import { objectName } from '../../api/objectName.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { demandOf, isMachine, nameOf, type StoredGuest } from '../guests.ts';
import { isToRun } from '../recovery/guestViews.ts';

export type GuestFacts = {
  guest: StoredGuest;
  /** `<kind>/<namespace>/<name>`. */
  key: string;
  /** A process of it exists, or may. */
  runs: boolean;
  /** It is to run now, or comes back by itself. */
  isToRun: boolean;
  memoryBytes: number;
  record: GuestMaintenance | undefined;
  /** Made by this maintenance for the present placement. */
  own: Stored<Migration> | undefined;
  /** Somebody else moves the guest, or another of its set is on its way. */
  isMovedByOthers: boolean;
  /** Others that strict rules keep with it, by key: they go where it goes. */
  companions: readonly string[];
};

/** `migrationsOf`: by key of a guest. */
export function factsOf(
  guest: StoredGuest,
  host: Stored<Host> | undefined,
  {
    migrationsOf,
    companions,
  }: { migrationsOf(key: string): readonly Stored<Migration>[]; companions: readonly string[] },
): GuestFacts {
  const migrations = migrationsOf(keyOf(guest));
  const name = migrationName(guest, guest.status?.placement?.epoch ?? 0);
  const own = migrations.find(({ metadata }) => metadata.name === name);
  return {
    guest,
    key: keyOf(guest),
    runs: mayRun(guest, host),
    isToRun: isToRun(guest),
    memoryBytes: demandOf(guest).memoryBytes,
    record: guest.status?.maintenance,
    own,
    isMovedByOthers: [migrations, ...companions.map(migrationsOf)]
      .flat()
      .some((migration) => migration !== own && !isOver(migration)),
    companions,
  };
}

function keyOf(guest: StoredGuest): string {
  const { kind, namespace, name } = nameOf(guest);
  return `${kind}/${namespace}/${name}`;
}

/** What brought the guest from the placement before this one: its own move, or that of another of its set behind which it went. */
export function arrivalOf(
  guest: StoredGuest,
  migrations: readonly Stored<Migration>[],
): Stored<Migration> | undefined {
  const epoch = (guest.status?.placement?.epoch ?? 1) - 1;
  const name = migrationName(guest, epoch);
  return migrations.find(
    ({ metadata, spec, status }) =>
      metadata.name === name ||
      (spec.follows?.name.startsWith('maintenance-') === true && status?.epoch === epoch),
  );
}

/** One for each placement of the guest, so that two leaders make the same one. */
export function migrationName(guest: StoredGuest, epoch: number): string {
  const { name } = nameOf(guest);
  return objectName(`maintenance-${isMachine(guest) ? 'vm' : 'ct'}-${name}-${epoch}`);
}

/** The inventory is the host's own word; a guest it does not list yet is judged by its status. */
function mayRun(guest: StoredGuest, host: Stored<Host> | undefined): boolean {
  const { kind, namespace, name } = nameOf(guest);
  const listed = host?.status?.guests?.find(
    (one) => one.kind === kind && one.namespace === namespace && one.name === name,
  );
  return listed?.running ?? findCondition(guest.status?.conditions, 'Running')?.status === 'True';
}
