/** The record step: what this host must remember is on disk, and in the inventory, before anything of the guest is made. */
import type { NicWish } from '../../drivers/network/contract.ts';
import type { GuestRecord, RecordedNic, RecordedVolume } from '../record.ts';
import type { VolumePlan } from './kind.ts';

export type RecordFacts = {
  kind: GuestRecord['kind'];
  namespace: string;
  name: string;
  uid: string;
  uuid: string;
  id: string;
  epoch: number;
  idBase: number | undefined;
  /** The restore of the API after which this was made sure; undefined: it needed not be. */
  takenAfter: number | undefined;
  volumes: readonly VolumePlan[];
  nics: readonly NicWish[];
};

/** Name of a volume in its pool. */
export function volumeId(guestId: string, name: string): string {
  return `${guestId}-${name}`;
}

/**
 * The record that has to stand before this pass goes on. Volumes and interfaces that left the spec stay in it until they are really gone.
 * For another object of the same name (a restored copy) the hardware and the volumes are kept and what was asked of the earlier one is not.
 */
export function nextRecord(before: GuestRecord | undefined, facts: RecordFacts): GuestRecord {
  const { kind, namespace, name, uid, uuid, id, epoch, idBase } = facts;
  const inherited = before?.uid === uid;
  const takenAfter = facts.takenAfter ?? before?.takenAfter;
  return {
    version: 1,
    kind,
    namespace,
    name,
    uid,
    uuid,
    id,
    epoch: inherited ? Math.max(before.epoch, epoch) : epoch,
    ...(before?.hardware === undefined ? {} : { hardware: before.hardware }),
    ...(idBase === undefined ? {} : { idBase }),
    ...(takenAfter === undefined ? {} : { takenAfter }),
    volumes: unite(
      before?.volumes ?? [],
      facts.volumes.map((plan) => recordedVolume(id, plan)),
    ),
    nics: uniteNics(before?.nics ?? [], facts.nics),
    ...(inherited && before.incoming !== undefined ? { incoming: before.incoming } : {}),
    ...(inherited && before.outgoing !== undefined ? { outgoing: before.outgoing } : {}),
    ...(inherited && before.lock !== undefined ? { lock: before.lock } : {}),
    ...(inherited && before.snapshots !== undefined ? { snapshots: before.snapshots } : {}),
    ...(inherited && before.head !== undefined ? { head: before.head } : {}),
    ...(inherited && before.rolledBack !== undefined ? { rolledBack: before.rolledBack } : {}),
    ...(inherited && before.restored !== undefined ? { restored: before.restored } : {}),
    ...(inherited && before.stoppedFor !== undefined ? { stoppedFor: before.stoppedFor } : {}),
    ...(inherited && before.thawOwed !== undefined ? { thawOwed: before.thawOwed } : {}),
    run: inherited ? before.run : before?.run.live === undefined ? {} : { live: before.run.live },
  };
}

function recordedVolume(guestId: string, { name, pool, reclaim }: VolumePlan): RecordedVolume {
  return { name, pool, id: volumeId(guestId, name), reclaim };
}

/** The plans say where each lies: a changed pool in the spec does not move data by itself. */
function unite(known: readonly RecordedVolume[], wanted: readonly RecordedVolume[]): RecordedVolume[] {
  const names = new Set(known.map(({ name }) => name));
  const plans = new Map(wanted.map((volume) => [volume.name, volume]));
  return [
    ...known.map((volume) => plans.get(volume.name) ?? volume),
    ...wanted.filter(({ name }) => !names.has(name)),
  ];
}

function uniteNics(known: readonly RecordedNic[], wanted: readonly NicWish[]): RecordedNic[] {
  const names = new Set(wanted.map(({ name }) => name));
  return [...wanted.map(({ name, mac }) => ({ name, mac })), ...known.filter(({ name }) => !names.has(name))];
}

/** Interfaces of the record that the spec no longer names: taken away before the next start. */
export function staleNics(record: GuestRecord, wishes: readonly NicWish[]): RecordedNic[] {
  const names = new Set(wishes.map(({ name }) => name));
  return record.nics.filter(({ name }) => !names.has(name));
}
