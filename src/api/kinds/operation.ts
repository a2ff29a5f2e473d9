/** Operation: one imperative act on a guest, as an object: Start, Stop, Shutdown, Restart. */
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
  'What is to be done, once.',
  {
    guest: object('The guest, in the same namespace.', {
      kind: oneOf(['VirtualMachine', 'Container'], 'Kind of the guest.'),
      name: dnsLabel('Name of the guest.'),
    }),
    action: oneOf(
      ['Start', 'Stop', 'Shutdown', 'Restart'],
      'Start. Stop: by force, at once. Shutdown: orderly, by force after the limit of the guest. Restart: Shutdown, then Start.',
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
    { rule: 'self.action == oldSelf.action', message: 'cannot be changed', fieldPath: '.action' },
  ],
);

export const operationPhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Superseded', 'Skipped'],
  'How far it is. Superseded: a later operation overtook it. Skipped: a restored copy, never executed.',
);

const status = object('How far it is.', {
  observedGeneration,
  conditions,
  phase: Type.Optional(operationPhase),
  host: Type.Optional(objectName('Host that executes it.')),
  startedAt: Type.Optional(time('When the host began.')),
  completedAt: Type.Optional(time('When it ended.')),
  message: Type.Optional(text('What happened.', 1024)),
});

export type OperationSpec = Static<typeof spec>;
export type OperationStatus = Static<typeof status>;
export type Operation = KubeObject<OperationSpec, OperationStatus>;

export const Operation = defineKind<Operation>({
  kind: 'Operation',
  plural: 'operations',
  namespaced: true,
  shortNames: ['op'],
  description: 'One act on a guest, recorded: Start, Stop, Shutdown or Restart.',
  spec,
  status,
  columns: [
    { name: 'Guest', type: 'string', jsonPath: '.spec.guest.name', description: 'Guest.' },
    { name: 'Action', type: 'string', jsonPath: '.spec.action', description: 'What is done.' },
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
