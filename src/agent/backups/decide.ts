/** What becomes of a Backup on this host. Pure. */

import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Backup, BackupPhase } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { ArchiveManifest } from '../../drivers/storage/contract.ts';
import type { GuestLock } from '../record.ts';

export type BackupFacts = {
  backup: Stored<Backup>;
  /** Undefined: this host has no record of the guest. */
  record: { lock: 'Free' | 'Own' | 'Other'; own: GuestLock | undefined; isOn: boolean } | undefined;
  guest: 'Here' | 'Deleting' | 'Away';
  observation: GuestObservation['state'] | undefined;
  /** The pool of the archive. NotReady may come; the others will not. */
  pool: 'Open' | 'NotReady' | 'Elsewhere' | 'NotAllowed';
  /** The archive, when it is whole already. */
  whole: ArchiveManifest | undefined;
  /** This agent is at it. */
  isWorking: boolean;
  /** Wall clock, milliseconds. */
  now: number;
};

type EndPhase = Exclude<BackupPhase, 'Pending' | 'Running'>;
export type BackupEnd = { type: 'end'; phase: EndPhase; reason: string; message: string };

export type BackupDecision =
  | { type: 'rest' }
  /** It is whole: say what is in it, and give the lock back. */
  | { type: 'say'; manifest: ArchiveManifest }
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  /** Take the lock. `hold`: the guest is to be off until it is over. */
  | { type: 'begin'; hold: boolean }
  | { type: 'follow'; message: string }
  /** Begin to fill the archive, or see how far that is. */
  | { type: 'work' }
  /** An earlier agent died in it: as if nothing had been, then anew. */
  | { type: 'undo' }
  | BackupEnd;

export function decideBackup(facts: BackupFacts): BackupDecision {
  const { backup, record, whole, guest } = facts;
  if (backup.status?.completedAt !== undefined) return { type: 'rest' };
  if (whole !== undefined) return { type: 'say', manifest: whole };
  // The guest may have gone meanwhile: then the work is to be ended.
  if (facts.isWorking) return { type: 'work' };
  if (record?.own !== undefined) return decideOwn(facts, record.own);
  const isGone = record === undefined || guest === 'Deleting';
  if (backup.status?.phase === 'Running' && isGone)
    return end('Failed', 'GuestDeleted', 'the guest has gone before its backup was whole');
  return decideNew(facts);
}

function end(phase: EndPhase, reason: string, message: string): BackupEnd {
  return { type: 'end', phase, reason, message };
}

function decideOwn({ observation, record }: BackupFacts, own: GuestLock): BackupDecision {
  // Nothing of the guest is touched while it is held off: an archive that an earlier agent began is begun again.
  if (own.held === undefined) return { type: 'undo' };
  if (observation === 'Off' && record?.isOn === false) return { type: 'work' };
  return { type: 'follow', message: 'the guest is being stopped for the backup' };
}

function decideNew(facts: BackupFacts): BackupDecision {
  const { backup, record, guest, observation, now } = facts;
  const { spec, status } = backup;
  if (isRestoredCopy(backup))
    return end('Skipped', 'RestoredCopy', 'this is a restored copy of a backup object: it is never executed');
  const isAgain = status?.phase === 'Running';
  const leftMs = isAgain ? Number.POSITIVE_INFINITY : startDeadlineOf(backup) - now;
  if (leftMs <= 0) return end('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  if (guest === 'Deleting') return end('Failed', 'GuestDeleted', 'the guest is being deleted');
  const wait = (reason: string, message: string, afterMs = 2_000): BackupDecision => ({
    type: 'wait',
    reason,
    message,
    afterMs: Math.min(leftMs, afterMs),
  });
  const earlyMs = isAgain ? 0 : Date.parse(spec.notBefore ?? '') - now;
  if (earlyMs > 0) return wait('NotYet', 'it is not to begin before notBefore', earlyMs);
  if (record === undefined || guest === 'Away' || observation === undefined)
    return wait('GuestNotHere', 'the guest is not looked after by this host yet', 10_000);
  const pool = judgePool(facts);
  if (pool !== undefined)
    return pool.final ? end('Failed', pool.reason, pool.message) : wait(pool.reason, pool.message);
  if (record.lock === 'Other')
    return wait('GuestLocked', 'other work is under way: see status.lock of the guest');
  if (observation === 'Unmanageable')
    return wait('Unmanageable', 'the guest does not answer on its host: see its condition Running');
  if (observation === 'Off') return { type: 'begin', hold: true };
  if (observation !== 'Running' && observation !== 'Paused')
    return wait('GuestStarting', 'the guest is being started');
  return { type: 'begin', hold: spec.mode === 'Stop' };
}

function judgePool({
  pool,
  backup,
}: BackupFacts): { reason: string; message: string; final: boolean } | undefined {
  const name = backup.spec.pool;
  switch (pool) {
    case 'Open':
      return undefined;
    case 'NotReady':
      return {
        reason: 'StoragePoolNotReady',
        message: `the StoragePool ${name} cannot be used on this host at the moment`,
        final: false,
      };
    case 'Elsewhere':
      return {
        reason: 'StoragePoolElsewhere',
        message: `the host of the guest does not have the StoragePool ${name}: choose one that it has`,
        final: true,
      };
    case 'NotAllowed':
      return {
        reason: 'NamespaceNotAllowed',
        message: `the StoragePool ${name} is not for this namespace: add it to allowedNamespaces`,
        final: true,
      };
  }
}
