/**
 * Takes over snapshots of a guest that came here with its disks on shared storage, moved or recovered: they are in the disks. What the Snapshot says
 * of itself is believed as far as its volumes have it. Its memory lies on the host it was taken on, and is not taken over.
 */
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { parseBytes } from '../../base/quantity.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { updateRecord } from '../guests/wiring.ts';
import type { GuestRecord, RecordedSnapshot } from '../record.ts';
import { keyOfSnapshot } from './take.ts';
import { type KeptVolume, volumesOf } from './volumes.ts';
import type { SnapshotWorld } from './world.ts';

/** Undefined: its volumes do not have it. Throws ReasonedError StoragePoolNotReady, GateClosed. */
export async function adoptSnapshot(
  world: SnapshotWorld,
  record: GuestRecord,
  snapshot: Stored<Snapshot>,
  signal: AbortSignal,
): Promise<RecordedSnapshot | undefined> {
  const said = snapshot.status?.volumes ?? [];
  const named = record.volumes.filter((volume) =>
    said.some(({ name, pool }) => name === volume.name && pool === volume.pool),
  );
  const key = keyOfSnapshot(snapshot);
  const kept = await volumesWith(world, record, { key, among: named, signal });
  if (kept.length < said.length || said.length === 0) return undefined;
  const sizes = new Map(said.map(({ name, size }) => [name, size === undefined ? 0 : parseBytes(size)]));
  const taken: RecordedSnapshot = {
    ...describe(world, snapshot),
    key,
    volumes: kept.map(({ name, pool, id }) => ({ name, pool, id, sizeBytes: sizes.get(name) ?? 0 })),
  };
  await updateRecord(world.guests, record.id, (before) => withAdopted(before, taken));
  return taken;
}

/** What there is of one that no record knows of, for whoever removes it. Throws as `adoptSnapshot` does. */
export async function remainsOf(
  world: SnapshotWorld,
  record: GuestRecord,
  snapshot: Stored<Snapshot>,
  signal: AbortSignal,
): Promise<Pick<RecordedSnapshot, 'uid' | 'key' | 'volumes'>> {
  const key = keyOfSnapshot(snapshot);
  const volumes = await volumesWith(world, record, { key, among: record.volumes, signal });
  return { uid: snapshot.metadata.uid, key, volumes };
}

async function volumesWith(
  world: SnapshotWorld,
  record: GuestRecord,
  { key, among, signal }: { key: string; among: GuestRecord['volumes']; signal: AbortSignal },
): Promise<KeptVolume[]> {
  // To look at a volume ends what was begun with it: only the host of its guest may.
  await world.hands(record.kind).gate(record, signal);
  const volumes = await volumesOf(world, among);
  const lists = await Promise.all(volumes.map(({ driver, id }) => driver.snapshots.list(id)));
  return volumes.filter((_, index) => lists[index]?.includes(key));
}

/** It was being taken when its host was lost: some of its volumes may have it, and no record knows of it. */
export function isHalfTaken({ status }: Stored<Snapshot>): boolean {
  return status?.phase === 'Failed' && findCondition(status.conditions, 'Ready')?.reason === 'HostLost';
}

function describe(
  { snapshots }: SnapshotWorld,
  { metadata, status = {} }: Stored<Snapshot>,
): Omit<RecordedSnapshot, 'key' | 'volumes'> {
  const { namespace = 'default', uid, name } = metadata;
  const parent = status.parent && snapshots.get(keyOf({ namespace, name: status.parent }))?.metadata.uid;
  return {
    ...{ uid, name, takenAt: Date.parse(status.takenAt ?? ''), consistency: status.consistency ?? 'Crash' },
    stillMs: status.stillMilliseconds ?? 0,
    ...(parent === undefined ? {} : { parent }),
  };
}

/** The latest is taken for the one that the guest came from. */
function withAdopted(record: GuestRecord, taken: RecordedSnapshot): GuestRecord {
  const snapshots = [...(record.snapshots ?? []).filter(({ uid }) => uid !== taken.uid), taken];
  const head = snapshots.reduce((latest, one) => (one.takenAt > latest.takenAt ? one : latest)).uid;
  return { ...record, snapshots, head };
}
