/** Operation: one imperative act on a guest, as an object: Start, Stop, Shutdown, Restart. */
import { object, oneOf, type Static } from '../fields.ts';
import { fixed, jobColumns, jobGuest, jobProgress, startDeadline, timeToLive } from '../job.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be done, once.',
  {
    guest: jobGuest,
    action: oneOf(
      ['Start', 'Stop', 'Shutdown', 'Restart'],
      'Start. Stop: by force, at once. Shutdown: orderly, by force after the limit of the guest. Restart: Shutdown, then Start.',
    ),
    startDeadlineSeconds: startDeadline(),
    ttlSecondsAfterFinished: timeToLive,
  },
  fixed(['guest', 'action']),
);

export const operationPhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Superseded', 'Skipped'],
  'How far it is. Superseded: a later operation overtook it. Skipped: a restored copy, never executed.',
);

const status = object('How far it is.', {
  ...jobProgress(operationPhase),
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
    jobColumns.guest,
    { name: 'Action', type: 'string', jsonPath: '.spec.action', description: 'What is done.' },
    jobColumns.phase,
    jobColumns.message,
    jobColumns.age,
  ],
  selectable: ['.status.host', '.spec.guest.name', '.status.phase'],
});
