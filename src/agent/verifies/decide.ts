/** What becomes of a Verify on this host. Pure. */

import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { BackupPhase } from '../../api/kinds/backup.ts';
import type { Verify } from '../../api/kinds/verify.ts';
import type { Stored } from '../../api/meta.ts';

export type VerifyFacts = {
  verify: Stored<Verify>;
  /** Undefined: no such Backup is this host's. */
  backup: { phase: BackupPhase | undefined; pool: string } | undefined;
  /** The pool of the archive can be used. */
  isOpen: boolean;
  /** Wall clock, milliseconds. */
  now: number;
};

export type VerifyEnd = {
  type: 'end';
  phase: 'Succeeded' | 'Failed' | 'Skipped';
  reason: string;
  message: string;
};

export type VerifyDecision =
  | { type: 'rest' }
  | VerifyEnd
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  /** Begin to read the archive, or see how far that is. */
  | { type: 'read' };

/** What tells nobody is looked at again after this. */
const RECHECK_MS = 5_000;

export function decideVerify({ verify, backup, isOpen, now }: VerifyFacts): VerifyDecision {
  const { spec, status } = verify;
  if (status?.completedAt !== undefined) return { type: 'rest' };
  const end = (phase: VerifyEnd['phase'], reason: string, message: string): VerifyEnd => ({
    type: 'end',
    phase,
    reason,
    message,
  });
  if (isRestoredCopy(verify))
    return end('Skipped', 'RestoredCopy', 'this is a restored copy of the object: it is never executed');
  const hasBegun = status?.phase === 'Running';
  if (hasBegun && backup === undefined)
    return end('Failed', 'BackupNotFound', `the Backup ${spec.backup} has gone`);
  const leftMs = hasBegun ? Number.POSITIVE_INFINITY : startDeadlineOf(verify) - now;
  if (leftMs <= 0) return end('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  const afterMs = Math.min(leftMs, RECHECK_MS);
  if (backup === undefined)
    return { type: 'wait', reason: 'BackupNotFound', message: `no Backup ${spec.backup} lies here`, afterMs };
  if (backup.phase === 'Failed' || backup.phase === 'Skipped')
    return end(
      'Failed',
      'BackupNotReady',
      `the Backup ${spec.backup} is ${backup.phase}: there is no archive`,
    );
  if (backup.phase !== 'Succeeded')
    return { type: 'wait', reason: 'BackupNotReady', message: `${spec.backup} is not made yet`, afterMs };
  if (isOpen) return { type: 'read' };
  const message = `the StoragePool ${backup.pool} of the archive cannot be used at the moment`;
  return { type: 'wait', reason: 'StoragePoolNotReady', message, afterMs };
}
