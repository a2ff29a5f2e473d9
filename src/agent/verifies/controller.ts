/** The controller of Verifies of archives on this host: each is read as a whole beside the passes, and what was found is said. */
import { startedStamp } from '../../api/job.ts';
import { Verify } from '../../api/kinds/verify.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, ReasonedError } from '../../base/outcome.ts';
import type { Informer, Informers } from '../../client/contract.ts';
import type { Controller, Pass } from '../../runtime/contract.ts';
import { CONTROLLERS, VERIFY_ACCESS } from '../access.ts';
import { archiveOf, type BackupWorld } from '../backups/world.ts';
import { JOB_STATUS_PATHS, type JobStep, jobEnd, jobResult } from '../jobs/status.ts';
import { decideVerify } from './decide.ts';

/** It is called back at the end; this often it is looked whether that was missed. */
const FOLLOW_MS = 30_000;

/** The informer of Verifies given to this host, with the index of what they look at. */
export function verifyInformer(informers: Informers, host: string): Informer<Verify> {
  return informers.informer(Verify, {
    fieldSelector: `status.host=${host}`,
    indexes: { backup: (verify) => [backupOf(verify)] },
  });
}

/** `namespace/name` of the Backup. */
export function backupOf({ metadata, spec }: Verify): string {
  return keyOf({ namespace: metadata.namespace ?? 'default', name: spec.backup });
}

export function verifyController(
  world: Pick<BackupWorld, 'guests' | 'backups'>,
  informer: Informer<Verify>,
): Controller<Verify> {
  return {
    name: CONTROLLERS.verifies,
    kind: Verify,
    informer,
    writes: JOB_STATUS_PATHS,
    access: VERIFY_ACCESS,
    selects: ({ status }) => status?.completedAt === undefined,
    stamp: ({ metadata }) => startedStamp(metadata),
    // Reading is the disk's work: more at once only take each other's time.
    concurrency: 2,
    reconcile: async (pass) => {
      await world.guests.looked;
      return jobResult(pass.object, await execute(world, pass), pass.now);
    },
    gone: async (_key, last) => {
      await world.guests.jobs.cancel(groupOf(last));
      return done;
    },
  };
}

function groupOf({ metadata }: Stored<Verify>): string {
  return `verify/${metadata.uid}`;
}

async function execute(
  { guests, backups }: Pick<BackupWorld, 'guests' | 'backups'>,
  { object, now, signal, event }: Pass<Verify>,
): Promise<JobStep> {
  const backup = backups.get(backupOf(object));
  const decision = decideVerify({
    verify: object,
    backup: backup && { phase: backup.status?.phase, pool: backup.spec.pool },
    isOpen: backup !== undefined && guests.pools.get(backup.spec.pool)?.type === 'Open',
    now,
  });
  if (decision.type !== 'read') return decision;
  if (backup === undefined) return { type: 'rest' };
  try {
    const read = await guests.jobs.run(
      groupOf(object),
      'read',
      async (until) => {
        const { archives, name } = await archiveOf(guests.pools, backup);
        return archives.verify(name, until);
      },
      () => guests.enqueue(CONTROLLERS.verifies, keyOf(object.metadata)),
    );
    if (read === undefined)
      return { type: 'follow', message: 'the archive is being read', afterMs: FOLLOW_MS };
    const { length } = read.value.parts;
    return jobEnd('Succeeded', 'Verified', `all ${length} parts are as they were written`);
  } catch (error) {
    if (signal.aborted || !(error instanceof ReasonedError) || !error.stalled) throw error;
    const { reason, message } = error;
    event('Warning', reason, message);
    return jobEnd('Failed', reason, message);
  }
}
