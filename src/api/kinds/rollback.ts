/** Rollback: one return of a guest to a Snapshot, as an object: it runs once and says how it ended. */
import { object, objectName, oneOf, type Static, Type } from '../fields.ts';
import { fixed, jobColumns, jobGuest, jobProgress, startDeadline, timeToLive } from '../job.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be rolled back, once.',
  {
    guest: jobGuest,
    snapshot: objectName('Snapshot of this guest. What its disks hold since then is lost.'),
    ifRunning: Type.Optional(
      oneOf(
        ['Refuse', 'Stop'],
        'What becomes of a guest that runs. Refuse: the rollback fails. Stop: it is shut down, rolled back, and started again.',
        'Refuse',
      ),
    ),
    startDeadlineSeconds: startDeadline(),
    ttlSecondsAfterFinished: timeToLive,
  },
  fixed(['guest', 'snapshot'], ['ifRunning']),
);

export const rollbackPhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Cancelled', 'Skipped'],
  'How far it is. Skipped: a restored copy, never executed.',
);

const status = object('How far it is.', {
  ...jobProgress(rollbackPhase),
});

export type RollbackSpec = Static<typeof spec>;
export type RollbackStatus = Static<typeof status>;
export type Rollback = KubeObject<RollbackSpec, RollbackStatus>;

export const Rollback = defineKind<Rollback>({
  kind: 'Rollback',
  plural: 'rollbacks',
  namespaced: true,
  shortNames: ['rb'],
  description: 'One return of a guest to a Snapshot.',
  spec,
  status,
  columns: [
    jobColumns.guest,
    { name: 'Snapshot', type: 'string', jsonPath: '.spec.snapshot', description: 'Snapshot.' },
    jobColumns.phase,
    jobColumns.message,
    jobColumns.age,
  ],
  selectable: ['.status.host', '.spec.guest.name', '.status.phase'],
});
