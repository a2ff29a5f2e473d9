/** Verify: one look at all of a Backup's archive, as an object: it runs once and says what it found. */
import {
  conditions,
  integer,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Static,
  Type,
  text,
  time,
} from '../fields.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be looked at, once.',
  {
    backup: objectName('Backup in the same namespace.'),
    startDeadlineSeconds: Type.Optional(
      integer('Not begun within this many seconds it fails and is never executed.', 1, 86_400, 600),
    ),
    ttlSecondsAfterFinished: Type.Optional(
      integer('Deleted this many seconds after its end; kept when absent.', 0, 31_536_000),
    ),
  },
  [{ rule: 'self.backup == oldSelf.backup', message: 'cannot be changed', fieldPath: '.backup' }],
);

const verifyPhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Skipped'],
  'How far it is. Succeeded: the archive is whole. Failed: it is not, or could not be read. Skipped: a restored copy of this object, never executed.',
);

const status = object('How far it is.', {
  observedGeneration,
  conditions,
  phase: Type.Optional(verifyPhase),
  host: Type.Optional(objectName('Host that executes it, where the archive lies.')),
  startedAt: Type.Optional(time('When the host began.')),
  completedAt: Type.Optional(time('When it ended.')),
  message: Type.Optional(text('What was found.', 1024)),
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
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'How far it is.' },
    { name: 'Message', type: 'string', jsonPath: '.status.message', description: 'What was found.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
  selectable: ['.status.host', '.spec.backup', '.status.phase'],
});
