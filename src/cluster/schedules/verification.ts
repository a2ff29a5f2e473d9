/** Has archives of schedules looked at again from time to time: one Verify for each Backup and time, through new leaders. */
import { Backup } from '../../api/kinds/backup.ts';
import type { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
import { Verify } from '../../api/kinds/verify.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { objectName } from '../../api/objectName.ts';
import { done, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { scheduleOf } from './schedules.ts';

export type VerificationSources = {
  /** With the index `schedule`. */
  backups: Informer<Backup>;
  schedules: Informer<BackupSchedule>;
};

const DAY_MS = 86_400_000;
/** Finished Verifies are kept long enough to be read: what they found stands in the Backup. */
const KEEP_SECONDS = 86_400;

export function verificationController({ backups, schedules }: VerificationSources): Controller<Backup> {
  return {
    name: 'backup-verification',
    kind: Backup,
    informer: backups,
    writes: [],
    access: [{ kind: Verify, verbs: ['create'] }],
    selects: (backup) => backup.status?.phase === 'Succeeded' && scheduleOf(backup).length > 0,
    triggers: [
      trigger(schedules, ({ key, before, after }) =>
        before?.spec.verifyAfterDays === after?.spec.verifyAfterDays
          ? []
          : backups.byIndex('schedule', key).map(({ metadata }) => keyOf(metadata)),
      ),
    ],
    reconcile: (pass) => look(pass, schedules),
  };
}

async function look(
  { object, now, client, signal }: Pass<Backup>,
  schedules: Informer<BackupSchedule>,
): Promise<PassResult<Backup>> {
  const [key = ''] = scheduleOf(object);
  const schedule = schedules.get(key);
  const { deletionTimestamp } = object.metadata;
  const { verifyAfterDays, suspend } = schedule?.spec ?? {};
  if (verifyAfterDays === undefined || suspend === true || deletionTimestamp !== undefined)
    return { outcome: done };
  const { completedAt, verified } = object.status ?? {};
  const due = Date.parse(verified?.at ?? completedAt ?? '') + verifyAfterDays * DAY_MS;
  if (due > now) return { outcome: waiting('NotDue', '', due - now) };
  await client.create(Verify, verifyOf(object, due), { signal }).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.code === 409)) throw error;
  });
  // What it finds wakes this again; one that could not be made in time is followed by another the next day.
  return { outcome: waiting('Verifying', '', DAY_MS) };
}

function verifyOf({ metadata }: Stored<Backup>, due: number): Verify {
  const { name, namespace = 'default' } = metadata;
  return {
    apiVersion: `${Verify.group}/${Verify.version}`,
    kind: 'Verify',
    metadata: { namespace, name: objectName(`${name}-${Math.floor(due / 60_000)}`) },
    spec: { backup: name, startDeadlineSeconds: 86_400, ttlSecondsAfterFinished: KEEP_SECONDS },
  };
}
