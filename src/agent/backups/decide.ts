/** What becomes of a Backup on this host. Pure. */

import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import type { ArchiveManifest } from '../../drivers/storage/contract.ts';
import {
  type GuestFacts,
  inTime,
  never,
  notYet,
  type Objection,
  objected,
  unlessFree,
  unlessHere,
  unlessSettled,
} from '../jobs/begin.ts';
import { type JobStep, jobEnd } from '../jobs/status.ts';
import type { GuestLock } from '../record.ts';

/** A guest that says nothing of its end is looked at again after this. */
const FOLLOW_MS = 2_000;

export type BackupFacts = GuestFacts & {
  backup: Stored<Backup>;
  /** The lock, when it is this backup's. */
  own: GuestLock | undefined;
  /** The pool of the archive. NotReady may come; the others will not. */
  pool: 'Open' | 'NotReady' | 'Elsewhere' | 'NotAllowed';
  /** The archive, when it is whole already. */
  whole: ArchiveManifest | undefined;
  /** This agent is at it. */
  isWorking: boolean;
  /** The guest was shut down for it already, in an attempt that came to nothing. Returning: it is about to be started again. */
  stopped: 'Never' | 'Once' | 'Returning';
  /** Wall clock, milliseconds. */
  now: number;
};

export type BackupDecision =
  | JobStep
  /** It is whole: say what is in it, and give the lock back. */
  | { type: 'say'; manifest: ArchiveManifest }
  /** Take the lock. `hold`: the guest is to be off until it is over. */
  | { type: 'begin'; hold: boolean }
  /** Begin to fill the archive, or see how far that is. */
  | { type: 'work' }
  /** An earlier agent died in it, or it is over: as if nothing had been; then anew, if it is not. */
  | { type: 'undo' };

export function decideBackup(facts: BackupFacts): BackupDecision {
  const { backup, record, whole, guest, own } = facts;
  // Others have ended it, or may end it at any moment, as the guest is another host's.
  if (own !== undefined && (own.away === true || backup.status?.completedAt !== undefined))
    return { type: 'undo' };
  if (backup.status?.completedAt !== undefined) return { type: 'rest' };
  if (whole !== undefined) return { type: 'say', manifest: whole };
  // The guest may have gone meanwhile: then the work is to be ended.
  if (facts.isWorking) return { type: 'work' };
  if (facts.own !== undefined) return decideOwn(facts, facts.own);
  return inTime<BackupDecision>(backup, { now: facts.now, noun: 'backup' }, () => {
    const isGone = record === undefined || guest === 'Deleting';
    if (backup.status?.phase === 'Running' && isGone)
      return jobEnd('Failed', 'GuestDeleted', 'the guest has gone before its backup was whole');
    return decideNew(facts);
  });
}

function decideOwn({ observation, record }: BackupFacts, own: GuestLock): BackupDecision {
  // Nothing of the guest is touched while it is held off: an archive that an earlier agent began is begun again.
  if (own.held === undefined) return { type: 'undo' };
  if (observation === 'Off' && record?.isOn === false) return { type: 'work' };
  return { type: 'follow', message: 'the guest is being stopped for the backup', afterMs: FOLLOW_MS };
}

function decideNew(facts: BackupFacts): BackupDecision {
  const { backup, observation, now } = facts;
  const { spec, status } = backup;
  const earlyMs = status?.phase === 'Running' ? 0 : Date.parse(spec.notBefore ?? '') - now;
  if (earlyMs > 0 && facts.guest !== 'Deleting')
    return objected(notYet('NotYet', 'it is not to begin before notBefore'), earlyMs);
  const pool = judgePool(facts);
  return (
    unlessHere(facts) ??
    (pool && objected(pool)) ??
    unlessFree(facts) ??
    unlessReturning(facts) ??
    unlessSettled(facts) ?? { type: 'begin', hold: observation === 'Off' || stops(facts) }
  );
}

/** A guest is shut down once for one Backup, whatever becomes of the archive: after that it is backed up as it runs. */
function stops({ backup, stopped }: BackupFacts): boolean {
  return backup.spec.mode === 'Stop' && stopped === 'Never';
}

/** Held off now it would stay so for the length of a copy. */
function unlessReturning({ stopped, observation }: BackupFacts): JobStep | undefined {
  if (stopped !== 'Returning' || observation !== 'Off') return undefined;
  return objected(notYet('GuestStarting', 'the guest is started again first'));
}

function judgePool({ pool, backup }: BackupFacts): Objection | undefined {
  const name = backup.spec.pool;
  switch (pool) {
    case 'Open':
      return undefined;
    case 'NotReady':
      return notYet(
        'StoragePoolNotReady',
        `the StoragePool ${name} cannot be used on this host at the moment`,
      );
    case 'Elsewhere':
      return never(
        'StoragePoolElsewhere',
        `the host of the guest does not have the StoragePool ${name}: choose one that it has`,
      );
    case 'NotAllowed':
      return never(
        'NamespaceNotAllowed',
        `the StoragePool ${name} is not for this namespace: add it to allowedNamespaces`,
      );
  }
}
