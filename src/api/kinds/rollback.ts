/** Rollback: one return of a guest to a Snapshot, as an object: it runs once and says how it ended. */
import {
  conditions,
  dnsLabel,
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
  'What is to be rolled back, once.',
  {
    guest: object('The guest, in the same namespace.', {
      kind: oneOf(['VirtualMachine', 'Container'], 'Kind of the guest.'),
      name: dnsLabel('Name of the guest.'),
    }),
    snapshot: objectName('Snapshot of this guest. What its disks hold since then is lost.'),
    ifRunning: Type.Optional(
      oneOf(
        ['Refuse', 'Stop'],
        'What becomes of a guest that runs. Refuse: the rollback fails. Stop: it is shut down, rolled back, and started again.',
        'Refuse',
      ),
    ),
    startDeadlineSeconds: Type.Optional(
      integer('Not begun within this many seconds it fails and is never executed.', 1, 86_400, 600),
    ),
    ttlSecondsAfterFinished: Type.Optional(
      integer('Deleted this many seconds after its end; kept when absent.', 0, 31_536_000),
    ),
  },
  [
    { rule: 'self.guest == oldSelf.guest', message: 'cannot be changed', fieldPath: '.guest' },
    { rule: 'self.snapshot == oldSelf.snapshot', message: 'cannot be changed', fieldPath: '.snapshot' },
    {
      rule: 'has(self.ifRunning) == has(oldSelf.ifRunning) && (!has(self.ifRunning) || self.ifRunning == oldSelf.ifRunning)',
      message: 'cannot be changed',
      fieldPath: '.ifRunning',
    },
  ],
);

export const rollbackPhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Cancelled', 'Skipped'],
  'How far it is. Skipped: a restored copy, never executed.',
);

const status = object('How far it is.', {
  observedGeneration,
  conditions,
  phase: Type.Optional(rollbackPhase),
  host: Type.Optional(objectName('Host that executes it.')),
  startedAt: Type.Optional(time('When the host began.')),
  completedAt: Type.Optional(time('When it ended.')),
  message: Type.Optional(text('What happened.', 1024)),
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
    { name: 'Guest', type: 'string', jsonPath: '.spec.guest.name', description: 'Guest.' },
    { name: 'Snapshot', type: 'string', jsonPath: '.spec.snapshot', description: 'Snapshot.' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'How far it is.' },
    {
      name: 'Message',
      type: 'string',
      jsonPath: '.status.message',
      description: 'What happened.',
      priority: 1,
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
  selectable: ['.status.host', '.spec.guest.name', '.status.phase'],
});
