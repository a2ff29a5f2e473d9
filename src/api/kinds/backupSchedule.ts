/** BackupSchedule: Backups of guests at regular times, of which some are kept for longer than others. */
import {
  conditions,
  flag,
  integer,
  object,
  objectName,
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

const many = (description: string) => Type.Optional(integer(description, 1, 1_000));

const spec = object('When, of which guests, and which are kept.', {
  schedule: text(
    'Minute, hour, day of month, month and day of week, as in crontab(5): numbers, *, lists, ranges, steps.',
    128,
    { pattern: '^[-0-9*,/]+( +[-0-9*,/]+){4}$' },
  ),
  timeZone: Type.Optional(
    text('Time zone of the schedule and of the periods, as the IANA database names it.', 64, {
      pattern: '^[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+)*$',
    }),
  ),
  guestSelector: Type.Optional(
    object('Guests of this namespace; all when absent.', {
      kind: Type.Optional(oneOf(['VirtualMachine', 'Container'], 'Kind of the guests; both when absent.')),
      matchLabels: Type.Optional(stringMap('Labels that a guest must have, all of them.', 16)),
    }),
  ),
  pool: objectName('StoragePool of the hosts of the guests that takes the archives.'),
  mode: Type.Optional(oneOf(['Snapshot', 'Suspend', 'Stop'], 'As in Backup; Snapshot when absent.')),
  compression: Type.Optional(oneOf(['None', 'Gzip', 'Zstd'], 'As in Backup; Zstd when absent.')),
  retention: Type.Optional(
    object(
      'Of each guest these are kept, and all when nothing is said. Each rule goes on where the one before it ended.',
      {
        last: many('The newest.'),
        hourly: many('The newest of each of the last hours that have one.'),
        daily: many('The newest of each of the last days that have one.'),
        weekly: many('The newest of each of the last weeks (ISO 8601) that have one.'),
        monthly: many('The newest of each of the last months that have one.'),
        yearly: many('The newest of each of the last years that have one.'),
      },
    ),
  ),
  startDeadlineSeconds: Type.Optional(
    integer('A time that was missed by more than this is left out.', 1, 86_400, 600),
  ),
  suspend: Type.Optional(flag('Nothing is made while it is set; nothing is deleted either.')),
});

const status = object('What it did last and does next.', {
  observedGeneration,
  conditions,
  lastTick: Type.Optional(time('The last time of the schedule that was looked after.')),
  nextTick: Type.Optional(time('The next one.')),
});

export type BackupScheduleSpec = Static<typeof spec>;
export type BackupScheduleStatus = Static<typeof status>;
export type BackupSchedule = KubeObject<BackupScheduleSpec, BackupScheduleStatus>;

export const BackupSchedule = defineKind<BackupSchedule>({
  kind: 'BackupSchedule',
  plural: 'backupschedules',
  namespaced: true,
  shortNames: ['baksched'],
  description: 'Backups of guests at regular times.',
  spec,
  status,
  columns: [
    { name: 'Schedule', type: 'string', jsonPath: '.spec.schedule', description: 'When.' },
    { name: 'Pool', type: 'string', jsonPath: '.spec.pool', description: 'Where the archives lie.' },
    { name: 'Suspend', type: 'boolean', jsonPath: '.spec.suspend', description: 'Nothing is made.' },
    { name: 'Last', type: 'date', jsonPath: '.status.lastTick', description: 'The last time.' },
    { name: 'Next', type: 'string', jsonPath: '.status.nextTick', description: 'The next time.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
