/** Fields that SnapshotSchedule and BackupSchedule share: when, of which guests, and what was looked after last. */
import {
  conditions,
  flag,
  integer,
  object,
  observedGeneration,
  oneOf,
  stringMap,
  Type,
  text,
  time,
} from './fields.ts';

/** When, and of which guests. */
export const scheduleFields = {
  schedule: text(
    'Minute, hour, day of month, month and day of week, as in crontab(5): numbers, *, lists, ranges, steps.',
    128,
    { pattern: '^[-0-9*,/]+( +[-0-9*,/]+){4}$' },
  ),
  timeZone: Type.Optional(
    text('Time zone of the schedule, and of periods that are kept, as the IANA database names it.', 64, {
      pattern: '^[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+)*$',
    }),
  ),
  guestSelector: Type.Optional(
    object('Guests of this namespace; all when absent.', {
      kind: Type.Optional(oneOf(['VirtualMachine', 'Container'], 'Kind of the guests; both when absent.')),
      matchLabels: Type.Optional(stringMap('Labels that a guest must have, all of them.', 16)),
    }),
  ),
  startDeadlineSeconds: Type.Optional(
    integer('A time that was missed by more than this is left out.', 1, 86_400, 600),
  ),
  suspend: Type.Optional(flag('Nothing is made while it is set; nothing is deleted either.')),
};

/** What a schedule did last and does next. */
export const scheduleStatusFields = {
  observedGeneration,
  conditions,
  lastTick: Type.Optional(time('The last time of the schedule that was looked after.')),
  nextTick: Type.Optional(time('The next one.')),
};

/** Columns behind those of the kind. */
export const scheduleColumns = [
  { name: 'Suspend', type: 'boolean', jsonPath: '.spec.suspend', description: 'Nothing is made.' },
  { name: 'Last', type: 'date', jsonPath: '.status.lastTick', description: 'The last time.' },
  { name: 'Next', type: 'string', jsonPath: '.status.nextTick', description: 'The next time.' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
] as const;
