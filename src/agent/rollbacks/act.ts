/** Changes the volumes of a guest that is off and locked. Once the first may have changed, it can only be finished: a mixture never starts. */
import { ReasonedError } from '../../base/outcome.ts';
import { isHeldOff, unlocked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import type { GuestRecord, RecordedSnapshot } from '../record.ts';
import { volumesOf } from '../snapshots/volumes.ts';
import { type SnapshotWorld, wakeGuest } from '../snapshots/world.ts';

/** Repeatable after a crash at any line. Throws ReasonedError: SnapshotMissing before anything has changed, GateClosed at any time. */
export async function rollBack(
  world: SnapshotWorld,
  record: GuestRecord,
  to: RecordedSnapshot,
  signal: AbortSignal,
): Promise<void> {
  const { guests } = world;
  const { lock } = record;
  if (lock === undefined || !isHeldOff(record)) throw new Error(`the guest ${record.id} is not held`);
  const ids = new Set(to.volumes.map(({ id }) => id));
  const volumes = await volumesOf(
    world,
    record.volumes.filter(({ id }) => ids.has(id)),
  );
  if (lock.changing !== true) {
    for (const { driver, id, name } of volumes) {
      if ((await driver.snapshots.list(id)).includes(to.key)) continue;
      const message = `the volume of ${name} has not got the snapshot any more`;
      throw new ReasonedError('SnapshotMissing', message, { stalled: true });
    }
  }
  const gate = () => world.hands(record.kind).gate(record, signal);
  await gate();
  await updateRecord(guests, record.id, (before) => ({ ...before, lock: { ...lock, changing: true } }));
  for (const pool of new Set(volumes.map((volume) => volume.pool))) {
    const together = volumes.filter((volume) => volume.pool === pool);
    const ids = together.map(({ id }) => id);
    for (const { driver } of together.slice(0, 1)) await driver.snapshots.rollBack(ids, to.key, gate);
    guests.pools.used.tell(pool);
  }
  guests.volumesChanged.tell(record.id);
  await updateRecord(guests, record.id, (before) =>
    unlocked(goingOnFrom(before, to), { head: to.uid, rolledBack: lock.by.uid }),
  );
  wakeGuest(world, record);
}

/** Its next start goes on from the memory of that moment, if there is one. Of another moment it would be of other disks. */
function goingOnFrom(record: GuestRecord, { key, memoryBytes }: RecordedSnapshot): GuestRecord {
  const { memory: _, ...run } = record.run;
  return { ...record, run: memoryBytes === undefined ? run : { ...run, memory: key } };
}
