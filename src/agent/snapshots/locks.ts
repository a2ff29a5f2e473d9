/** Locks whose holder died: found at the start and when an object leaves, and ended as their work allows. */
import { Backup } from '../../api/kinds/backup.ts';
import { Restore } from '../../api/kinds/restore.ts';
import { Rollback } from '../../api/kinds/rollback.ts';
import { Snapshot } from '../../api/kinds/snapshot.ts';
import { done, type Outcome, outcomeOf, waiting } from '../../base/outcome.ts';
import { undoBackup } from '../backups/undo.ts';
import { unlocked } from '../guests/locks.ts';
import { read } from '../guests/read.ts';
import { updateRecord } from '../guests/wiring.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { giveDisks, undoRestore } from '../restores/act.ts';
import { rollBack } from '../rollbacks/act.ts';
import { letGo, undo } from './take.ts';
import { type SnapshotWorld, wakeGuest } from './world.ts';

/**
 * Lets guests go on that an earlier agent left standing still or frozen: at once, without asking anybody, as they were this host's when they
 * stopped and nothing of theirs has been given away. Never throws.
 */
export async function releaseInterrupted(world: SnapshotWorld): Promise<void> {
  const { records, turns, world: base } = world.guests;
  for (const { id, lock } of records.all()) {
    if (lock === undefined || lock.operation === 'Rollback') continue;
    await turns
      .take(id, async () => {
        const record = records.get(id);
        if (record?.lock !== undefined) await letGo(world, record, record.lock);
      })
      .catch((error: unknown) => {
        base.log.warn('a guest cannot be let go on', { guest: id, error: String(error) });
      });
  }
}

type Holder = { metadata: { uid: string }; status?: { host?: string; completedAt?: string } };

/** The object has the lock, and is not over: of a host that was lost others end what it was at, or look after it by now. */
export function isHolder(found: Holder | undefined, { by }: GuestLock, host: string): boolean {
  if (found?.metadata.uid !== by.uid || found.status?.completedAt !== undefined) return false;
  return found.status?.host === undefined || found.status.host === host;
}

/** Ends the lock of a record unless its object is still there and at it. */
export function settleLock(world: SnapshotWorld, { id }: GuestRecord, signal: AbortSignal): Promise<Outcome> {
  const { records, turns } = world.guests;
  return turns.take(id, async () => {
    const record = records.get(id);
    if (record?.lock === undefined) return done;
    const holder = await holderOf(world, record.lock, signal);
    if (isHolder(holder, record.lock, world.guests.host)) return done;
    try {
      if (isBegunElsewhere(holder, record.lock)) return await leave(world, record, record.lock);
      return await end(world, record, record.lock, signal);
    } catch (error) {
      return outcomeOf(error, 'LockStays');
    }
  });
}

function holderOf(
  { guests }: SnapshotWorld,
  lock: GuestLock,
  signal: AbortSignal,
): Promise<Holder | undefined> {
  const { kind, uid: _, ...ref } = lock.by;
  const find: Record<typeof kind, () => Promise<Holder | undefined>> = {
    Snapshot: () => guests.client.find(Snapshot, ref, read(signal)),
    Rollback: () => guests.client.find(Rollback, ref, read(signal)),
    Backup: () => guests.client.find(Backup, ref, read(signal)),
    Restore: () => guests.client.find(Restore, ref, read(signal)),
  };
  return find[kind]();
}

/** Another host was given it, whose names for what it makes in a shared pool are the same. */
function isBegunElsewhere(found: Holder | undefined, { by, operation, changing }: GuestLock): boolean {
  const isSame = found?.metadata.uid === by.uid && found.status?.completedAt === undefined;
  return isSame && changing !== true && (operation === 'Backup' || operation === 'Restore');
}

/** What was made of it so far is that host's by now: it uses it, or removes it. */
async function leave(world: SnapshotWorld, record: GuestRecord, lock: GuestLock): Promise<Outcome> {
  if (lock.held === undefined) await letGo(world, record, lock);
  await updateRecord(world.guests, record.id, (before) => unlocked(before));
  wakeGuest(world, record);
  return done;
}

async function end(
  world: SnapshotWorld,
  record: GuestRecord,
  lock: GuestLock,
  signal: AbortSignal,
): Promise<Outcome> {
  if (lock.operation === 'Snapshot') await undo(world, record, lock, signal);
  else if (lock.operation === 'Backup') await undoBackup(world, record, lock);
  else if (lock.away === true && lock.changing === true)
    await updateRecord(world.guests, record.id, (before) => unlocked(before));
  else if (lock.operation === 'Restore')
    await (lock.changing === true ? giveDisks(world, record, signal) : undoRestore(world, record));
  else if (lock.changing !== true) await updateRecord(world.guests, record.id, (before) => unlocked(before));
  else {
    const to = record.snapshots?.find(({ key }) => key === lock.key);
    if (to === undefined)
      return waiting('SnapshotMissing', 'half of the volumes were rolled back to what is gone', 60_000);
    await rollBack(world, record, to, signal);
  }
  wakeGuest(world, record);
  return done;
}
