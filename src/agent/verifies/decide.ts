/** What becomes of a Verify on this host. Pure. */
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { BackupPhase } from '../../api/kinds/backup.ts';
import type { Verify } from '../../api/kinds/verify.ts';
import type { Stored } from '../../api/meta.ts';
import { inTime, never, notYet, type Objection, objected } from '../jobs/begin.ts';
import { type JobStep, jobEnd } from '../jobs/status.ts';

export type VerifyFacts = {
  verify: Stored<Verify>;
  /** Undefined: no such Backup is this host's. */
  backup: { phase: BackupPhase | undefined; pool: string } | undefined;
  /** The pool of the archive can be used. */
  isOpen: boolean;
  /** Wall clock, milliseconds. */
  now: number;
};

export type VerifyDecision =
  | JobStep
  /** Begin to read the archive, or see how far that is. */
  | { type: 'read' };

/** What tells nobody is looked at again after this. */
const RECHECK_MS = 5_000;
const POOL_AWAY = 'StoragePoolNotReady';

export function decideVerify(facts: VerifyFacts): VerifyDecision {
  const { verify, backup, now } = facts;
  const { spec, status } = verify;
  if (status?.completedAt !== undefined) return { type: 'rest' };
  const objection = objectionTo(facts);
  const isLate = status?.phase !== 'Running' && startDeadlineOf(verify) <= now;
  // That the pool was away says more than that it is too late.
  if (isLate && objection?.reason === POOL_AWAY && !isRestoredCopy(verify))
    return jobEnd('Failed', objection.reason, `${objection.message}, and not since this was to begin`);
  return inTime<VerifyDecision>(verify, { now, noun: 'verify' }, () => {
    if (status?.phase === 'Running' && backup === undefined)
      return jobEnd('Failed', 'BackupNotFound', `the Backup ${spec.backup} has gone`);
    return objection === undefined ? { type: 'read' } : objected(objection, RECHECK_MS);
  });
}

function objectionTo({ verify, backup, isOpen }: VerifyFacts): Objection | undefined {
  const { backup: name } = verify.spec;
  if (backup === undefined) return notYet('BackupNotFound', `no Backup ${name} lies here`);
  const { phase, pool } = backup;
  if (phase === 'Failed' || phase === 'Skipped')
    return never('BackupNotReady', `the Backup ${name} is ${phase}: there is no archive`);
  if (phase !== 'Succeeded') return notYet('BackupNotReady', `${name} is not made yet`);
  if (isOpen) return undefined;
  return notYet(POOL_AWAY, `the StoragePool ${pool} of the archive cannot be used at the moment`);
}
