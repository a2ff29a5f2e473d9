/** Restore: one return of a guest to what a Backup of it holds, as an object: it runs once and says how it ended. */
import {
  atomicList,
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

const fixed = ['disks', 'ifRunning'].map((field) => ({
  rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
  message: 'cannot be changed',
  fieldPath: `.${field}`,
}));

const spec = object(
  'What is to be restored, once, into a guest that stays who it is.',
  {
    guest: object('The guest, in the same namespace.', {
      kind: oneOf(['VirtualMachine', 'Container'], 'Kind of the guest.'),
      name: dnsLabel('Name of the guest.'),
    }),
    backup: objectName('Backup of this guest. What its disks hold since then is lost.'),
    disks: Type.Optional(
      atomicList(
        dnsLabel('Name of a disk, or rootfs.'),
        64,
        'Only these, the others stay as they are. Absent: all of them, and guest and Backup must have the same.',
      ),
    ),
    ifRunning: Type.Optional(
      oneOf(
        ['Refuse', 'Stop'],
        'What becomes of a guest that runs. Refuse: the restore fails. Stop: when the disks have been made from the archive it is shut down, gets them, and is started again.',
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
    { rule: 'self.backup == oldSelf.backup', message: 'cannot be changed', fieldPath: '.backup' },
    ...fixed,
  ],
);

export const restorePhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Skipped'],
  'How far it is. Skipped: a restored copy of this object, never executed.',
);

const status = object('How far it is.', {
  observedGeneration,
  conditions,
  phase: Type.Optional(restorePhase),
  host: Type.Optional(objectName('Host that executes it.')),
  startedAt: Type.Optional(time('When the host began.')),
  completedAt: Type.Optional(time('When it ended.')),
  message: Type.Optional(text('What happened.', 1024)),
});

export type RestoreSpec = Static<typeof spec>;
export type RestoreStatus = Static<typeof status>;
export type Restore = KubeObject<RestoreSpec, RestoreStatus>;

export const Restore = defineKind<Restore>({
  kind: 'Restore',
  plural: 'restores',
  namespaced: true,
  shortNames: ['rst'],
  description: 'One return of a guest to what a Backup of it holds.',
  spec,
  status,
  columns: [
    { name: 'Guest', type: 'string', jsonPath: '.spec.guest.name', description: 'Guest.' },
    { name: 'Backup', type: 'string', jsonPath: '.spec.backup', description: 'Backup.' },
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
