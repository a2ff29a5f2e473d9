/** The cluster's part of Verifies: each gets the host where the archive of its Backup lies; finished ones are deleted in time. */
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Backup } from '../../api/kinds/backup.ts';
import type { Host } from '../../api/kinds/host.ts';
import { Verify } from '../../api/kinds/verify.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { type JobDecision, jobController, jobEnd } from '../jobs.ts';

export type VerifySources = { verifies: Informer<Verify>; backups: Informer<Backup>; hosts: Informer<Host> };

/** The index of the informer of Verifies. */
export const verifyIndexes = {
  backup: ({ metadata, spec }: Verify) => [
    keyOf({ namespace: metadata.namespace ?? 'default', name: spec.backup }),
  ],
};

export function verifyController({ verifies, backups, hosts }: VerifySources): Controller<Verify> {
  return jobController('verifies', Verify, verifies, {
    triggers: [
      trigger(backups, ({ key, before, after }) =>
        before?.status?.phase === after?.status?.phase
          ? []
          : verifies.byIndex('backup', key).map(({ metadata }) => keyOf(metadata)),
      ),
    ],
    decide: ({ object, now }) =>
      decide(object, {
        backup: backups.get(verifyIndexes.backup(object)[0] ?? ''),
        isGone: (host) => hosts.get(host) === undefined,
        now,
      }),
  });
}

function decide(
  verify: Stored<Verify>,
  facts: { backup: Backup | undefined; isGone(host: string): boolean; now: number },
): JobDecision {
  const { spec, status } = verify;
  if (isRestoredCopy(verify))
    return jobEnd('Skipped', 'RestoredCopy', 'this is a restored copy: it is never executed');
  if (status?.host !== undefined)
    return facts.isGone(status.host)
      ? jobEnd('Failed', 'HostGone', `the host ${status.host} has been removed`)
      : { type: 'rest' };
  const afterMs = startDeadlineOf(verify) - facts.now;
  if (afterMs <= 0) return jobEnd('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  const { host, phase } = facts.backup?.status ?? {};
  if (host !== undefined && phase === 'Succeeded') return { type: 'assign', host };
  const message =
    facts.backup === undefined
      ? `there is no Backup ${spec.backup} in this namespace`
      : `the Backup ${spec.backup} is ${phase ?? 'not made'} yet`;
  const reason = facts.backup === undefined ? 'BackupNotFound' : 'BackupNotReady';
  return { type: 'wait', reason, message, afterMs };
}
