/** SnapshotSchedule: Snapshots of guests at regular times, of which so many are kept. */
import { integer, object, type Static } from '../fields.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';
import { scheduleColumns, scheduleFields, scheduleStatusFields } from '../schedule.ts';

const spec = object('When, of which guests, and how many are kept.', {
  ...scheduleFields,
  keep: integer('Snapshots of this schedule that are kept of each guest; older ones are deleted.', 1, 100),
});

const status = object('What it did last and does next.', scheduleStatusFields);

export type SnapshotScheduleSpec = Static<typeof spec>;
export type SnapshotScheduleStatus = Static<typeof status>;
export type SnapshotSchedule = KubeObject<SnapshotScheduleSpec, SnapshotScheduleStatus>;

export const SnapshotSchedule = defineKind<SnapshotSchedule>({
  kind: 'SnapshotSchedule',
  plural: 'snapshotschedules',
  namespaced: true,
  shortNames: ['snapsched'],
  description: 'Snapshots of guests at regular times.',
  spec,
  status,
  columns: [
    { name: 'Schedule', type: 'string', jsonPath: '.spec.schedule', description: 'When.' },
    { name: 'Keep', type: 'integer', jsonPath: '.spec.keep', description: 'How many are kept.' },
    ...scheduleColumns,
  ],
});
