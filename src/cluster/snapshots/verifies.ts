/** The cluster's part of Verifies: each gets the host where the archive of its Backup lies; finished ones are deleted in time. */
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Backup } from '../../api/kinds/backup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import { Verify } from '../../api/kinds/verify.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { type JobDecision, jobController, jobEnd } from '../jobs.ts';
import { isLost } from './heirs.ts';

/** `backups`: with the index `host`. */
export type VerifySources = {
  verifies: Informer<Verify>;
  backups: Informer<Backup>;
  hosts: Informer<Host>;
  pool(name: string): StoragePool | undefined;
};

/** The index of the informer of Verifies. */
export const verifyIndexes = {
  backup: ({ metadata, spec }: Verify) => [
    keyOf({ namespace: metadata.namespace ?? 'default', name: spec.backup }),
  ],
};

export function verifyController(sources: VerifySources): Controller<Verify> {
  const { verifies, backups, hosts, pool } = sources;
  return jobController('verifies', Verify, verifies, {
    triggers: [ofBackups(sources), ofHosts(sources)],
    decide: ({ object, now }) =>
      decide(object, {
        backup: backups.get(verifyIndexes.backup(object)[0] ?? ''),
        isGone: (host) => hosts.get(host) === undefined,
        isLost: (host) => isLost(hosts.get(host)),
        isShared: (name) => pool(name)?.spec.shared === true,
        now,
      }),
  });
}

/** A Backup was made, or another host looks after it. */
function ofBackups({ verifies, backups }: VerifySources): Trigger {
  return trigger(backups, ({ key, before, after }) => {
    const [was, is] = [before?.status, after?.status];
    if (was?.phase === is?.phase && was?.host === is?.host) return [];
    return verifies.byIndex('backup', key).map(({ metadata }) => keyOf(metadata));
  });
}

/** A host was lost, or is there again. */
function ofHosts({ verifies, backups, hosts }: VerifySources): Trigger {
  return trigger(hosts, ({ key, before, after }) =>
    isLost(before) === isLost(after) && (before === undefined) === (after === undefined)
      ? []
      : backups
          .byIndex('host', key)
          .flatMap(({ metadata }) => verifies.byIndex('backup', keyOf(metadata)))
          .map(({ metadata }) => keyOf(metadata)),
  );
}

type Facts = {
  backup: Backup | undefined;
  isGone(host: string): boolean;
  /** Gone, or not heard of any more. */
  isLost(host: string): boolean;
  isShared(pool: string): boolean;
  now: number;
};

function decide(verify: Stored<Verify>, facts: Facts): JobDecision {
  const { backup } = facts;
  const { host: own } = verify.status ?? {};
  if (isRestoredCopy(verify))
    return jobEnd('Skipped', 'RestoredCopy', 'this is a restored copy: it is never executed');
  const { host, phase } = backup?.status ?? {};
  const isMade = host !== undefined && phase === 'Succeeded';
  if (isMade && own !== undefined && own !== host) return { type: 'assign', host };
  if (own !== undefined) {
    const hasHeirs = backup !== undefined && facts.isShared(backup.spec.pool);
    if (facts.isGone(own) && !hasHeirs)
      return jobEnd('Failed', 'HostGone', `the host ${own} has been removed`);
    return facts.isLost(own) ? waitForHost(verify, own, facts) : { type: 'rest' };
  }
  if (isMade) return facts.isLost(host) ? waitForHost(verify, host, facts) : { type: 'assign', host };
  const afterMs = startDeadlineOf(verify) - facts.now;
  if (afterMs <= 0) return jobEnd('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  const name = verify.spec.backup;
  return backup === undefined
    ? {
        ...{ type: 'wait', reason: 'BackupNotFound', afterMs },
        message: `there is no Backup ${name} in this namespace`,
      }
    : {
        ...{ type: 'wait', reason: 'BackupNotReady', afterMs },
        message: `the Backup ${name} is ${phase ?? 'not made'} yet`,
      };
}

/** Nobody else has the archive, or somebody else would look after it by now. */
function waitForHost(verify: Stored<Verify>, host: string, { now }: Facts): JobDecision {
  const afterMs = startDeadlineOf(verify) - now;
  const why = `the archive lies on the host ${host}, which is lost, and on no other that is there`;
  if (afterMs <= 0) return jobEnd('Failed', 'HostLost', why);
  return { type: 'wait', reason: 'HostLost', message: `${why}: it is waited for`, afterMs };
}
