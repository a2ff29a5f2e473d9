/** Undoes what an interrupted or failed backup left: the guest goes on, nothing half-made stays, then the lock goes. */
import { handleOf } from '../guests/gather.ts';
import { unlocked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { letGo } from '../snapshots/take.ts';
import { isOpen, volumesOf } from '../snapshots/volumes.ts';
import { type SnapshotWorld, wakeGuest } from '../snapshots/world.ts';
import { archivesOf } from './world.ts';

/** Repeatable; a whole archive stays. Throws while the guest cannot be let go on: the lock stays then. */
export async function undoBackup(world: SnapshotWorld, record: GuestRecord, lock: GuestLock): Promise<void> {
  const { inGuest, observe } = world.hands(record.kind);
  const handle = handleOf(world.guests.stateDirectory, record);
  if (lock.held === undefined) {
    await letGo(world, record, lock);
    if (isOpen(await observe(handle))) await inGuest?.copies.end(handle);
    for (const { kept, driver, id } of await volumesOf(world, record.volumes))
      if (kept === 'Pool') await driver.snapshots.remove(id, lock.key);
  }
  await discardHalf(world, lock);
  await updateRecord(world.guests, record.id, (before) => unlocked(before));
  wakeGuest(world, record);
}

/**
 * Nobody sees what is half-made: where it cannot be removed, as its pool is not open or has gone, it goes when the pool is opened or the Backup
 * is deleted. The guest does not wait for that, perhaps held off.
 */
async function discardHalf(world: SnapshotWorld, lock: GuestLock): Promise<void> {
  const archives = archivesOf(world, lock);
  try {
    if (archives !== undefined && (await archives.read(lock.key)) === undefined)
      await archives.remove(lock.key);
  } catch (error) {
    world.guests.world.log.warn('half of an archive is left', { archive: lock.key, error: String(error) });
  }
}
