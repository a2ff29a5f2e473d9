/** The cluster's part of Verifies: each gets the host where the archive of its Backup lies; finished ones are deleted in time. */
import { STARTED_ANNOTATION } from '../../api/cluster.ts';
import type { Backup } from '../../api/kinds/backup.ts';
import type { Host } from '../../api/kinds/host.ts';
import { Verify } from '../../api/kinds/verify.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { KeptDecision } from './decide.ts';
import { expire, say } from './snapshots.ts';

export type VerifySources = { verifies: Informer<Verify>; backups: Informer<Backup>; hosts: Informer<Host> };

/** The index of the informer of Verifies. */
export const verifyIndexes = {
  backup: ({ metadata, spec }: Verify) => [
    keyOf({ namespace: metadata.namespace ?? 'default', name: spec.backup }),
  ],
};

export function verifyController({ verifies, backups, hosts }: VerifySources): Controller<Verify> {
  return {
    name: 'verifies',
    kind: Verify,
    informer: verifies,
    writes: ['status'],
    access: [{ kind: Verify, verbs: ['delete'] }],
    triggers: [
      trigger(backups, ({ key, before, after }) =>
        before?.status?.phase === after?.status?.phase
          ? []
          : verifies.byIndex('backup', key).map(({ metadata }) => keyOf(metadata)),
      ),
    ],
    reconcile: async (pass) => {
      const { status, metadata, spec } = pass.object;
      if (status?.completedAt !== undefined) return expire(Verify, pass);
      const backup = backups.get(verifyIndexes.backup(pass.object)[0] ?? '');
      const decision = decide(pass.object, {
        backup,
        isGone: (host) => hosts.get(host) === undefined,
        now: pass.now,
      });
      const said = say(pass, metadata.deletionTimestamp === undefined ? decision : { type: 'rest' }, {
        completedAt: `${new Date(pass.now).toISOString().slice(0, 19)}Z`,
      });
      const ttl = spec.ttlSecondsAfterFinished;
      if (decision.type !== 'end' || ttl === undefined) return said;
      return { ...said, outcome: waiting('TimeToLive', '', ttl * 1_000 + 50) };
    },
  };
}

function decide(
  { metadata, spec, status }: Stored<Verify>,
  facts: { backup: Backup | undefined; isGone(host: string): boolean; now: number },
): KeptDecision {
  const end = (phase: 'Failed' | 'Skipped', reason: string, message: string) =>
    ({ type: 'end', phase, reason, message }) as const;
  const stamp = metadata.annotations?.[STARTED_ANNOTATION];
  if (stamp !== undefined && stamp !== `${metadata.name}/${metadata.uid}`)
    return end('Skipped', 'RestoredCopy', 'this is a restored copy: it is never executed');
  if (status?.host !== undefined)
    return facts.isGone(status.host)
      ? end('Failed', 'HostGone', `the host ${status.host} has been removed`)
      : { type: 'rest' };
  const deadlineMs = (spec.startDeadlineSeconds ?? 600) * 1_000;
  const afterMs = Date.parse(metadata.creationTimestamp ?? '') + deadlineMs - facts.now;
  if (afterMs <= 0) return end('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  const { host, phase } = facts.backup?.status ?? {};
  if (host !== undefined && phase === 'Succeeded') return { type: 'assign', host };
  const message =
    facts.backup === undefined
      ? `there is no Backup ${spec.backup} in this namespace`
      : `the Backup ${spec.backup} is ${phase ?? 'not made'} yet`;
  const reason = facts.backup === undefined ? 'BackupNotFound' : 'BackupNotReady';
  return { type: 'wait', reason, message, afterMs };
}
