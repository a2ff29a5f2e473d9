/** What becomes of a Restore on this host. Pure. */

import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Restore, RestoreStatus } from '../../api/kinds/restore.ts';
import type { Stored } from '../../api/meta.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { GuestLock } from '../record.ts';
import type { Objection } from './judge.ts';

export type RestoreFacts = {
  restore: Stored<Restore>;
  /** Undefined: this host has no record of the guest. `finished`: it was this restore that was finished last. */
  record:
    | { lock: 'Free' | 'Own' | 'Other'; own: GuestLock | undefined; finished: boolean; isOn: boolean }
    | undefined;
  guest: 'Here' | 'Deleting' | 'Away';
  observation: GuestObservation['state'] | undefined;
  /** The disks that are to be restored, or what stands against it. Asked only of one that has not begun. */
  archive: { disks: readonly string[] } | Objection | undefined;
  /** Wall clock, milliseconds. */
  now: number;
};

type EndPhase = Exclude<NonNullable<RestoreStatus['phase']>, 'Pending' | 'Running'>;
export type RestoreEnd = { type: 'end'; phase: EndPhase; reason: string; message: string };

export type RestoreDecision =
  | { type: 'rest' }
  | RestoreEnd
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  /** Take the lock. `hold`: the guest is off, and is to stay so until it is over. */
  | { type: 'begin'; disks: readonly string[]; hold: boolean }
  | { type: 'follow'; message: string }
  /** Make the disks from the archive, beside those the guest has; then hold it off. */
  | { type: 'prepare' }
  /** The guest is off and held there: see that the disks are made, and give them to it. */
  | { type: 'act' }
  /** Give the lock back with nothing changed. */
  | { type: 'callOff'; end: RestoreEnd };

export function decideRestore(facts: RestoreFacts): RestoreDecision {
  const { restore, record } = facts;
  if (restore.status?.completedAt !== undefined) return { type: 'rest' };
  if (record?.finished === true) return end('Succeeded', 'Restored', 'the guest has what was backed up');
  if (record?.own !== undefined) return decideOwn(facts, record.own);
  if (restore.status?.phase === 'Running' && record === undefined)
    return end('Failed', 'GuestDeleted', 'the guest has gone before it was restored');
  if (restore.status?.phase === 'Running')
    return end('Failed', 'Interrupted', 'this host does not know of it any more: look at the guest');
  return decideNew(facts);
}

function end(phase: EndPhase, reason: string, message: string): RestoreEnd {
  return { type: 'end', phase, reason, message };
}

function decideOwn({ guest, record, observation }: RestoreFacts, own: GuestLock): RestoreDecision {
  if (guest === 'Deleting')
    return { type: 'callOff', end: end('Failed', 'GuestDeleted', 'the guest is being deleted') };
  if (own.changing === true) return { type: 'act' };
  if (own.held === undefined) return { type: 'prepare' };
  if (observation === 'Off' && record?.isOn === false) return { type: 'act' };
  return { type: 'follow', message: 'the disks are made, and the guest is being stopped to get them' };
}

function decideNew(facts: RestoreFacts): RestoreDecision {
  const { restore, record, guest, observation, archive, now } = facts;
  const { spec } = restore;
  if (isRestoredCopy(restore))
    return end('Skipped', 'RestoredCopy', 'this is a restored copy of a restore: it is never executed');
  const leftMs = startDeadlineOf(restore) - now;
  if (leftMs <= 0) return end('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  if (guest === 'Deleting') return end('Failed', 'GuestDeleted', 'the guest is being deleted');
  const wait = (reason: string, message: string, afterMs = 2_000): RestoreDecision => ({
    type: 'wait',
    reason,
    message,
    afterMs: Math.min(leftMs, afterMs),
  });
  if (record === undefined || guest === 'Away' || observation === undefined)
    return wait('GuestNotHere', 'the guest is not looked after by this host yet', 10_000);
  if (archive === undefined) return wait('BackupUnknown', 'the backup is being looked for');
  if (!('disks' in archive))
    return archive.final
      ? end('Failed', archive.reason, archive.message)
      : wait(archive.reason, archive.message);
  if (record.lock === 'Other')
    return wait('GuestLocked', 'other work is under way: see status.lock of the guest');
  if (observation === 'Unmanageable')
    return end('Failed', 'Unmanageable', 'the guest does not answer on its host: see its condition Running');
  const isOn = observation !== 'Off' || record.isOn;
  if (isOn && spec.ifRunning !== 'Stop')
    return end('Failed', 'GuestRunning', 'the guest runs: stop it first, or ask with ifRunning: Stop');
  return { type: 'begin', disks: archive.disks, hold: !isOn };
}
