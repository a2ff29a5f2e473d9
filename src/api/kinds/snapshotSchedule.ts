/** SnapshotSchedule: Snapshots of guests at regular times, of which so many are kept. */
import {
  conditions,
  flag,
  integer,
  object,
  observedGeneration,
  oneOf,
  type Static,
  stringMap,
  Type,
  text,
  time,
} from '../fields.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object('When, of which guests, and how many are kept.', {
  schedule: text(
    'Minute, hour, day of month, month and day of week, as in crontab(5): numbers, *, lists, ranges, steps.',
    128,
    {
      pattern: '^[-0-9*,/]+( +[-0-9*,/]+){4}$',
    },
  ),
  timeZone: Type.Optional(
    text('Time zone of the schedule as the IANA database names it.', 64, {
      pattern: '^[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+)*$',
    }),
  ),
  guestSelector: Type.Optional(
    object('Guests of this namespace; all when absent.', {
      kind: Type.Optional(oneOf(['VirtualMachine', 'Container'], 'Kind of the guests; both when absent.')),
      matchLabels: Type.Optional(stringMap('Labels that a guest must have, all of them.', 16)),
    }),
  ),
  keep: integer('Snapshots of this schedule that are kept of each guest; older ones are deleted.', 1, 100),
  startDeadlineSeconds: Type.Optional(
    integer('A time that was missed by more than this is left out.', 1, 86_400, 600),
  ),
  suspend: Type.Optional(flag('Nothing is taken while it is set; nothing is deleted either.')),
});

const status = object('What it did last and does next.', {
  observedGeneration,
  conditions,
  lastTick: Type.Optional(time('The last time of the schedule that was looked after.')),
  nextTick: Type.Optional(time('The next one.')),
});

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
    { name: 'Suspend', type: 'boolean', jsonPath: '.spec.suspend', description: 'Nothing is taken.' },
    { name: 'Last', type: 'date', jsonPath: '.status.lastTick', description: 'The last time.' },
    { name: 'Next', type: 'string', jsonPath: '.status.nextTick', description: 'The next time.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
