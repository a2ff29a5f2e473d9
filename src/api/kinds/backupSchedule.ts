/** BackupSchedule: Backups of guests at regular times, of which some are kept for longer than others. */
import { atomicList, bytes, integer, object, objectName, oneOf, type Static, Type, text } from '../fields.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';
import { scheduleColumns, scheduleFields, scheduleStatusFields } from '../schedule.ts';

const many = (description: string) => Type.Optional(integer(description, 1, 1_000));

const timeOfDay = (description: string) =>
  text(`${description} Hours and minutes, such as 22:30.`, 5, { pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$' });

const spec = object('When, of which guests, and which are kept.', {
  ...scheduleFields,
  pool: objectName('StoragePool of the hosts of the guests that takes the archives.'),
  mode: Type.Optional(oneOf(['Snapshot', 'Suspend', 'Stop'], 'As in Backup; Snapshot when absent.')),
  compression: Type.Optional(oneOf(['None', 'Gzip', 'Zstd'], 'As in Backup; Zstd when absent.')),
  encryption: Type.Optional(oneOf(['None', 'Age'], 'As in Backup; None when absent.')),
  bandwidth: Type.Optional(bytes('As in Backup.')),
  ioPriority: Type.Optional(oneOf(['Normal', 'Idle'], 'As in Backup; Normal when absent.')),
  fullEvery: Type.Optional(integer('As in Backup. What others that are kept need is kept too.', 1, 100)),
  jitterSeconds: Type.Optional(
    integer('Backups of one time begin at times of their own within so many seconds.', 1, 86_400),
  ),
  window: Type.Optional(
    object(
      'Backups begin only at this time of day in the time zone: those of times outside of it when it opens, and none once it has closed.',
      {
        from: timeOfDay('When it opens.'),
        to: timeOfDay('When it closes; earlier than from: the next day.'),
      },
    ),
  ),
  windowSeconds: Type.Optional(
    integer(
      'A backup that could not begin within so many seconds of its own time fails and is never made.',
      60,
      86_400,
      600,
    ),
  ),
  parallel: Type.Optional(
    integer('Backups of this schedule that are made at the same time; no limit when absent.', 1, 1_000),
  ),
  maxFailures: Type.Optional(
    integer(
      'A guest whose last so many backups of this schedule all failed is left out until one of them is deleted; never when absent.',
      1,
      100,
    ),
  ),
  verifyAfterDays: Type.Optional(
    integer(
      'Its Backups are looked at by a Verify so many days after they were made, and again so many days after each; never when absent.',
      1,
      3_650,
    ),
  ),
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
});

const count = (description: string) => Type.Integer({ description, minimum: 0 });

const status = object('What it did last and does next.', {
  ...scheduleStatusFields,
  retention: Type.Optional(
    object('What the rules of retention make of its Backups, looked ahead to its next time.', {
      kept: count('Backups that stand now.'),
      protected: count('Of these the protected ones.'),
      going: count('Backups that are deleted once those of the next time are made.'),
      next: Type.Optional(atomicList(objectName('Name of a Backup.'), 20, 'The first of those by name.')),
    }),
  ),
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
    ...scheduleColumns,
  ],
});
