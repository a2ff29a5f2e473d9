/** Puts together what is guarded on this host: its guests, as records and objects tell of them, and the programs that work on their volumes. */
import { guardKey } from '../api/keeperLease.ts';
import { ClusterPolicy } from '../api/kinds/clusterPolicy.ts';
import type { Stored } from '../api/meta.ts';
import type { Parts } from './controllers.ts';
import { createGuarding, type Guarding } from './guarding.ts';
import type { GuestObject } from './guests/kind.ts';
import { moveStage } from './guests/moving.ts';
import { createGuestPrograms, type GuestPrograms } from './programs.ts';
import type { GuestRecord } from './record.ts';

export function connectGuarding(
  { world, manager, drivers, keeper, records, presence }: Parts,
  objectOf: (record: GuestRecord) => Stored<GuestObject> | undefined,
): { guarding: Guarding; programs: GuestPrograms } {
  /** This host's to guard, as far as it knows. */
  const isWanted = (record: GuestRecord): boolean => {
    const guest = objectOf(record);
    return guest?.metadata.uid === record.uid && moveStage(record) !== 'Left' && guarding.needs(guest);
  };
  const programs = createGuestPrograms({
    log: world.log,
    groups: keeper === undefined ? undefined : drivers.programs,
    isOn: () => guarding.isOn(),
    guardedAs: (id) => {
      const record = records.get(id);
      return record && isWanted(record) ? guardKey(record.uid, record.epoch) : undefined;
    },
    life: () => guarding.last()?.life,
    keep: (key, id) => guarding.keep(key, id),
  });
  const guarding: Guarding = createGuarding({
    clock: world.clock,
    log: world.log,
    policies: manager.informers.informer(ClusterPolicy),
    keeper,
    programs,
    guests: () =>
      records.all().map((record) => ({
        key: guardKey(record.uid, record.epoch),
        id: record.id,
        isRunning: presence.isRunning(record.id),
        wanted: isWanted(record),
      })),
  });
  return { guarding, programs };
}
