/**
 * Takes a snapshot of a guest, removes one, and undoes what a crash or a failure left half-done. The lock stands in the record before the
 * first side effect and goes with the last, so that whoever comes later knows what to look for.
 */
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { GuestHandle, GuestObservation } from '../../drivers/hypervisor/contract.ts';
import { GateClosed } from '../guests/gate.ts';
import { handleOf } from '../guests/gather.ts';
import { locked, unlocked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import type { GuestLock, GuestRecord, RecordedSnapshot } from '../record.ts';
import { thawInTime } from './thaws.ts';
import { checkVolumes, isOpen, type KeptVolume, removeVolumes, takeVolumes, volumesOf } from './volumes.ts';
import type { Hands, SnapshotWorld } from './world.ts';

/** How long file systems may take to freeze: programs in the guest wait for their writes meanwhile. */
export const FREEZE_MS = 10_000;

/** Name of a snapshot in the pools: by the object's uid, so that no later object of its name is taken for it. */
export function keyOfSnapshot({ metadata }: Stored<Snapshot>): string {
  return `snap-${metadata.uid}`;
}

/** Throws ReasonedError, GateClosed included; then the lock may stand, and `undo` is to be called. */
export async function takeSnapshot(
  world: SnapshotWorld,
  record: GuestRecord,
  snapshot: Stored<Snapshot>,
  signal: AbortSignal,
): Promise<RecordedSnapshot> {
  const begun = await beginSnapshot(world, record, snapshot, signal);
  const { hands, handle, lock, observation, volumes } = begun;
  const { pauses, freezes, key } = lock;
  const { clock } = world.guests.world;
  const frozen = freezes === true && (await hands.inGuest?.freeze(handle, { timeoutMs: FREEZE_MS })) === true;
  const began = clock.monotonic();
  if (pauses === true) await hands.pause(handle);
  const takenAt = clock.now();
  await takeVolumes({ hands, handle }, key, volumes, isOpen(observation));
  await letGo(world, record, lock);
  return finishSnapshot(world, begun, {
    takenAt,
    consistency: consistencyOf(record, observation, frozen),
    stillMs: pauses === true ? Math.round(clock.monotonic() - began) : 0,
  });
}

/** A snapshot whose lock stands. */
export type BegunSnapshot = {
  hands: Hands;
  handle: GuestHandle;
  record: GuestRecord;
  snapshot: Stored<Snapshot>;
  lock: GuestLock;
  observation: GuestObservation;
  volumes: readonly KeptVolume[];
};

/** `memory`: that is kept too, and file systems are not frozen, as they would be so in it for ever. Throws ReasonedError, GateClosed included. */
export async function beginSnapshot(
  world: SnapshotWorld,
  record: GuestRecord,
  snapshot: Stored<Snapshot>,
  signal: AbortSignal,
  { memory = false }: { memory?: boolean } = {},
): Promise<BegunSnapshot> {
  const hands = world.hands(record.kind);
  const handle = handleOf(world.guests.stateDirectory, record);
  const volumes = await volumesOf(world, record.volumes);
  checkVolumes(volumes);
  await hands.gate(record, signal);
  const observation = await hands.observe(handle);
  const pauses = observation.state === 'Running';
  if (memory && !pauses) throw standsStill();
  const freezes = pauses && !memory && observation.agentConnected === true && record.thawOwed !== true;
  const lock: GuestLock = {
    ...lockBy(snapshot, keyOfSnapshot(snapshot), world.guests.world.clock.now()),
    ...(pauses ? { pauses } : {}),
    ...(freezes ? { freezes } : {}),
    ...(memory ? { memory } : {}),
  };
  await updateRecord(world.guests, record.id, (before) => locked(before, lock));
  return { hands, handle, record, snapshot, lock, observation, volumes };
}

/** Whoever lets a guest go on whose memory was kept cannot tell it from one that was paused by somebody. */
function standsStill(): ReasonedError {
  const message = 'the memory of a guest is kept while it runs, and it stands still: resume it first';
  return new ReasonedError('GuestPaused', message, { stalled: true });
}

/** It stands from now on, and the lock is gone. */
export async function finishSnapshot(
  world: SnapshotWorld,
  { snapshot, record, lock, volumes }: BegunSnapshot,
  facts: Pick<RecordedSnapshot, 'takenAt' | 'consistency' | 'stillMs' | 'memoryBytes'>,
): Promise<RecordedSnapshot> {
  const taken: RecordedSnapshot = {
    uid: snapshot.metadata.uid,
    name: snapshot.metadata.name,
    key: lock.key,
    ...facts,
    ...(record.head === undefined ? {} : { parent: record.head }),
    volumes: volumes.map(({ name, pool, id, sizeBytes }) => ({ name, pool, id, sizeBytes })),
  };
  await updateRecord(world.guests, record.id, (before) =>
    unlocked(before, { snapshots: [...(before.snapshots ?? []), taken], head: taken.uid }),
  );
  for (const { pool } of volumes) world.guests.pools.used.tell(pool);
  return taken;
}

/** The guest goes on: runs, and its file systems take writes, or will when its agent answers. Repeatable; throws while that cannot be had. */
export async function letGo(
  world: SnapshotWorld,
  record: GuestRecord,
  { pauses, freezes, memory: keepsMemory }: GuestLock,
): Promise<void> {
  const { observe, resume, memory } = world.hands(record.kind);
  const handle = handleOf(world.guests.stateDirectory, record);
  if (keepsMemory === true) await memory?.letGo(handle);
  if (pauses === true && (await observe(handle)).state === 'Paused') await resume(handle);
  if (freezes === true && record.thawOwed !== true) await thawInTime(world, record);
}

/** Lets the guest go on and removes what was taken so far; then the lock goes. Repeatable. Throws GateClosed as `areOwn` does. */
export async function undo(
  world: SnapshotWorld,
  record: GuestRecord,
  lock: GuestLock,
  signal: AbortSignal,
): Promise<void> {
  await letGo(world, record, lock);
  const hands = world.hands(record.kind);
  const handle = handleOf(world.guests.stateDirectory, record);
  const isKept = record.snapshots?.some(({ key }) => key === lock.key) === true;
  const open = isOpen(await hands.observe(handle));
  if (!isKept) {
    const volumes = await volumesOf(world, record.volumes);
    if (open || (await areOwn(world, record, volumes, signal)))
      await removeVolumes({ hands, handle }, lock.key, volumes, open);
    if (lock.memory === true) await hands.memory?.remove(handle, lock.key);
  }
  await updateRecord(world.guests, record.id, (before) => unlocked(before));
}

/**
 * Whether the disks of a guest that is off here may be written: on shared storage another host may have them open by now, and what was taken
 * of them stays then. Throws GateClosed while nobody can tell.
 */
async function areOwn(
  { guests, hands }: SnapshotWorld,
  record: GuestRecord,
  volumes: readonly KeptVolume[],
  signal: AbortSignal,
): Promise<boolean> {
  if (!volumes.some(({ driver }) => driver.capabilities.shared === true)) return true;
  const found = await hands(record.kind)
    .read(record, signal)
    .catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new GateClosed('ApiServerAway', `whose the guest is cannot be read: ${String(error)}`);
    });
  if (!guests.lease.isValid())
    throw new GateClosed('LeaseNotHeld', "this host's lease is not valid: others may have the guest");
  return found?.metadata.uid === record.uid && found.status?.placement?.host === guests.host;
}

/** A snapshot that stands, or what there is of one that no record knows of. */
type Removable = Pick<RecordedSnapshot, 'uid' | 'key' | 'parent' | 'memoryBytes' | 'volumes'>;

/** Removes a snapshot that stands; those that came from it come from its parent from then on. Repeatable. */
export async function removeSnapshot(
  world: SnapshotWorld,
  record: GuestRecord,
  { snapshot, taken }: { snapshot: Stored<Snapshot>; taken: Removable },
  signal: AbortSignal,
): Promise<void> {
  const hands = world.hands(record.kind);
  const handle = handleOf(world.guests.stateDirectory, record);
  await hands.gate(record, signal);
  const now = world.guests.world.clock.now();
  await updateRecord(world.guests, record.id, (before) => locked(before, lockBy(snapshot, taken.key, now)));
  const open = isOpen(await hands.observe(handle));
  await removeVolumes(
    { hands, handle },
    taken.key,
    await volumesOf(world, taken.volumes.map(recorded)),
    open,
  );
  if (taken.memoryBytes !== undefined) await hands.memory?.remove(handle, taken.key);
  await updateRecord(world.guests, record.id, (before) => unlocked(withoutSnapshot(before, taken)));
  for (const { pool } of taken.volumes) world.guests.pools.used.tell(pool);
}

function recorded({ name, pool, id }: Removable['volumes'][number]) {
  return { name, pool, id, reclaim: 'Delete' as const };
}

function withoutSnapshot({ head, snapshots = [], ...record }: GuestRecord, gone: Removable): GuestRecord {
  const up = (uid: string | undefined) => (uid === gone.uid ? gone.parent : uid);
  const left = snapshots
    .filter(({ uid }) => uid !== gone.uid)
    .map(({ parent, ...rest }) => {
      const next = up(parent);
      return { ...rest, ...(next === undefined ? {} : { parent: next }) };
    });
  const next = up(head);
  return {
    ...record,
    ...(left.length === 0 ? {} : { snapshots: left }),
    ...(next === undefined ? {} : { head: next }),
  };
}

function lockBy({ metadata }: Stored<Snapshot>, key: string, since: number): GuestLock {
  const { uid, namespace = 'default', name } = metadata;
  return { operation: 'Snapshot', by: { kind: 'Snapshot', uid, namespace, name }, since, key };
}

/** A container's file system is the host's and whole at any moment; a guest that is off wrote everything out, unless it crashed. */
export function consistencyOf(
  { kind, run }: GuestRecord,
  { state }: GuestObservation,
  frozen: boolean,
): RecordedSnapshot['consistency'] {
  if (kind === 'Container' || frozen) return 'Filesystem';
  const endedWell = run.ended === undefined || run.ended.how === 'PoweredOff';
  return state === 'Off' && endedWell ? 'Filesystem' : 'Crash';
}
