/** The one lock of a guest: whatever is under way, a move or other work, nothing else begins. Pure. */
import type { GuestStatus } from '../../api/guest.ts';
import { timeOf } from '../../base/clock.ts';
import type { GuestLock, GuestRecord } from '../record.ts';

type Lockable = Pick<GuestRecord, 'incoming' | 'outgoing' | 'lock'>;

/** What a guest is locked for, as its status shows it; undefined: work may begin. */
export function lockShown(record: Lockable | undefined): GuestStatus['lock'] {
  const { outgoing, lock } = record ?? {};
  if (lock !== undefined) return shown(lock.operation, lock.since, lock.by);
  // A guest that only comes here is its source's to speak of.
  return outgoing === undefined ? undefined : shown('Migration', outgoing.since, outgoing.migration);
}

function shown(
  operation: NonNullable<GuestStatus['lock']>['operation'],
  since: number,
  by: { namespace: string; name: string },
): NonNullable<GuestStatus['lock']> {
  return {
    operation,
    since: timeOf(since),
    reason: `${operation} ${by.namespace}/${by.name}`,
  };
}

/** What stands in the way of work by this job: nothing, its own lock from before a crash, or the work of others. */
export function lockFor(record: Lockable, uid: string): 'Free' | 'Own' | 'Other' {
  if (record.lock?.by.uid === uid) return 'Own';
  const isMoving = record.incoming !== undefined || record.outgoing !== undefined;
  return isMoving || record.lock !== undefined ? 'Other' : 'Free';
}

/** Takes the lock; throws when another is faster, which turns prevent. */
export function locked(record: GuestRecord, lock: GuestLock): GuestRecord {
  if (lockFor(record, lock.by.uid) === 'Other') throw new Error(`the guest ${record.id} is locked already`);
  return { ...record, lock };
}

/**
 * Gives it back; `more` changes in the same write. A guest that was held off starts again if it ran before and is still this host's, and what for
 * stays known.
 */
export function unlocked({ lock, ...record }: GuestRecord, more: Partial<GuestRecord> = {}): GuestRecord {
  if (lock?.held?.wasOn !== true || lock.away === true) return { ...record, ...more };
  const stopped = lock.operation === 'Backup' ? { stoppedFor: lock.by.uid } : {};
  return { ...record, ...stopped, ...more, run: { ...record.run, restart: true } };
}

/** To be off until its work is over, whatever its run strategy says. */
export function isHeldOff(record: Lockable | undefined): boolean {
  return record?.lock?.held !== undefined;
}
