/**
 * Makes disks from an archive beside those of a guest, and gives them to it when it is off and held there. Once the first may have changed,
 * the rest can only follow: a mixture of then and now never starts.
 */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { StoragePool } from '../../drivers/storage/contract.ts';
import { archiveHere, bringArchived } from '../archives/bring.ts';
import { isHeldOff, unlocked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import { createProgress, inHalves } from '../jobs/progress.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { type SnapshotWorld, wakeGuest } from '../snapshots/world.ts';

/** What the disks are made from, and for which Restore. */
export type ArchiveSource = {
  findBackup(signal: AbortSignal): Promise<Stored<Backup>>;
  restore: { name: string; uid: string };
  /** At most, where the archive is brought from another host. */
  bytesPerSecond?: number;
};

/** Makes all of them, hidden, one after the other; again after a crash: those that are whole stay. Throws ReasonedError. */
export async function prepareDisks(
  { guests }: SnapshotWorld,
  record: GuestRecord,
  source: ArchiveSource,
  { tell, signal }: { tell(percent: number): void; signal: AbortSignal },
): Promise<void> {
  const disks = disksOf({ guests }, record);
  const progress = createProgress(disks, tell);
  for (const { name, id, driver, key } of disks) {
    const { follow, bringing } = inHalves(progress.of(name));
    const open = async (until: AbortSignal) => {
      const backup = await source.findBackup(until);
      const found = await archiveHere(guests, backup);
      if (found !== undefined) return found.archives.open(found.name, name, until);
      const { restore, bytesPerSecond } = source;
      const limit = bytesPerSecond === undefined ? {} : { bytesPerSecond };
      const wanted = { backup, volume: name, guest: record, epoch: record.epoch, restore, ...limit };
      return bringArchived(guests, driver.archives, { ...wanted, follow: bringing }, until);
    };
    const shift = record.idBase === undefined ? {} : { idBase: record.idBase };
    await driver.replacements.prepare({ id, name: key, open, follow, ...shift }, signal);
    follow({ doneBytes: 1, totalBytes: 1 });
  }
}

/** Repeatable after a crash at any line. Throws ReasonedError, GateClosed included; before `changing` nothing has changed. */
export async function giveDisks(
  world: SnapshotWorld,
  record: GuestRecord,
  signal: AbortSignal,
): Promise<void> {
  const { guests } = world;
  const { lock } = record;
  if (lock === undefined || !isHeldOff(record)) throw new Error(`the guest ${record.id} is not held`);
  const disks = disksOf(world, record);
  const gate = () => world.hands(record.kind).gate(record, signal);
  await gate();
  await updateRecord(guests, record.id, (before) => ({ ...before, lock: { ...lock, changing: true } }));
  for (const pool of new Set(disks.map((disk) => disk.pool))) {
    const together = disks.filter((disk) => disk.pool === pool);
    const ids = together.map(({ id }) => id);
    for (const { driver, key } of together.slice(0, 1)) await driver.replacements.swap(ids, key, gate);
    guests.pools.used.tell(pool);
  }
  guests.volumesChanged.tell(record.id);
  await updateRecord(guests, record.id, ({ head: _, run: { memory: __, ...run }, ...before }) =>
    unlocked({ ...before, run }, { restored: lock.by.uid }),
  );
  wakeGuest(world, record);
}

/** Removes what was made so far; then the lock goes. Repeatable; not for one that is changing already. */
export async function undoRestore(world: SnapshotWorld, record: GuestRecord): Promise<void> {
  for (const { driver, id, key } of disksOf(world, record)) await driver.replacements.discard(id, key);
  await updateRecord(world.guests, record.id, (before) => unlocked(before));
  wakeGuest(world, record);
}

type Disk = { name: string; id: string; pool: string; driver: StoragePool; key: string };

/** The disks that the lock is about. Throws ReasonedError StoragePoolNotReady. */
function disksOf({ guests }: Pick<SnapshotWorld, 'guests'>, { lock, volumes }: GuestRecord): Disk[] {
  const { key, disks = [] }: Partial<GuestLock> = lock ?? {};
  if (key === undefined) return [];
  return volumes
    .filter(({ name }) => disks.includes(name))
    .map(({ name, id, pool }) => {
      const state = guests.pools.get(pool);
      if (state?.type === 'Open') return { name, id, pool, driver: state.driver, key };
      throw new ReasonedError(
        'StoragePoolNotReady',
        `the StoragePool ${pool} cannot be used here at the moment`,
      );
    });
}
