/** Verify: one look at all of a Backup's archive, as an object: it runs once and says what it found. */
import { object, objectName, oneOf, type Static } from '../fields.ts';
import { fixed, jobColumns, jobProgress, startDeadline, timeToLive } from '../job.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be looked at, once.',
  {
    backup: objectName('Backup in the same namespace.'),
    startDeadlineSeconds: startDeadline(),
    ttlSecondsAfterFinished: timeToLive,
  },
  fixed(['backup']),
);

const verifyPhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Skipped'],
  'How far it is. Succeeded: the archive is whole. Failed: it is not, or could not be read. Skipped: a restored copy of this object, never executed.',
);

const status = object('How far it is.', {
  ...jobProgress(verifyPhase, {
    host: 'Host that executes it, where the archive lies.',
    message: 'What was found.',
  }),
});

export type VerifySpec = Static<typeof spec>;
export type VerifyStatus = Static<typeof status>;
export type Verify = KubeObject<VerifySpec, VerifyStatus>;

export const Verify = defineKind<Verify>({
  kind: 'Verify',
  plural: 'verifies',
  namespaced: true,
  shortNames: ['vfy'],
  description: "One look at all of a Backup's archive.",
  spec,
  status,
  columns: [
    { name: 'Backup', type: 'string', jsonPath: '.spec.backup', description: 'Backup.' },
    jobColumns.phase,
    { name: 'Message', type: 'string', jsonPath: '.status.message', description: 'What was found.' },
    jobColumns.age,
  ],
  selectable: ['.status.host', '.spec.backup', '.status.phase'],
});
