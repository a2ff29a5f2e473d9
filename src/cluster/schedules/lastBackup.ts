/** What the status of a guest says of its backups: the newest whole one, and whether it is as new as its schedules promise. */
import type { GuestStatus } from '../../api/guest.ts';
import type { Backup } from '../../api/kinds/backup.ts';
import type { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
import type { Host } from '../../api/kinds/host.ts';
import { type KindRef, keyOf, type Stored } from '../../api/meta.ts';
import { byTime } from '../../base/clock.ts';
import { done, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import {
  type ConditionInput,
  findCondition,
  removeCondition,
  setCondition,
} from '../../runtime/conditions.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { type Guest, nameOf, type StoredGuest } from '../guests.ts';
import { guestKey } from '../placement/placement.ts';
import { isExhausted } from './backups.ts';
import { isSelected, SCHEDULE_LABEL } from './plan.ts';
import { createPromises, type Promises } from './promises.ts';
import { type IsGone, soundAmong } from './sound.ts';

export type LastBackupSources<T extends Guest> = {
  guests: Informer<T>;
  /** With the indexes `guest`: `<kind>/<namespace>/<name>`, and `host`. */
  backups: Informer<Backup>;
  schedules: Informer<BackupSchedule>;
  hosts: Informer<Host>;
  isGone: IsGone;
  /** Keys of the guests of a namespace, of this kind. */
  keysIn(namespace: string): readonly string[];
};

const namespaceOf = ({ metadata }: { metadata: { namespace?: string } }) => metadata.namespace ?? 'default';

export function lastBackupController<T extends Guest>(
  kind: KindRef<T> & { kind: string },
  sources: LastBackupSources<T>,
): Controller<T> {
  const promises = createPromises();
  return {
    name: `last-backup-${kind.plural}`,
    kind,
    informer: sources.guests,
    writes: ['status.lastBackup', 'status.conditions.BackedUp'],
    selects: (guest) => isSpokenOf(guest, sources),
    triggers: [
      trigger(sources.backups, ({ before, after }) => {
        const backup = after ?? before;
        if (backup?.spec.guest.kind !== kind.kind || isSame(before, after)) return [];
        return [keyOf({ namespace: namespaceOf(backup), name: backup.spec.guest.name })];
      }),
      trigger(sources.schedules, ({ before, after }) => {
        const schedule = after ?? before;
        const isNews = before?.metadata.generation !== after?.metadata.generation;
        return schedule === undefined || !isNews ? [] : [...sources.keysIn(namespaceOf(schedule))];
      }),
      trigger(sources.hosts, ({ before, after }) => {
        if (before !== undefined && after !== undefined) return [];
        const made = sources.backups.byIndex('host', (before ?? after)?.metadata.name ?? '');
        const ours = made.filter(({ spec }) => spec.guest.kind === kind.kind);
        return ours.map((backup) => keyOf({ namespace: namespaceOf(backup), name: backup.spec.guest.name }));
      }),
    ],
    reconcile: async (pass) => look(pass, sources, promises),
  };
}

function isSame(before: Backup | undefined, after: Backup | undefined): boolean {
  return (
    before?.status?.phase === after?.status?.phase &&
    before?.status?.verified?.result === after?.status?.verified?.result &&
    before?.metadata.deletionTimestamp === after?.metadata.deletionTimestamp
  );
}

function look<T extends Guest>(
  { object, now }: Pass<T>,
  { backups, schedules, isGone }: LastBackupSources<T>,
  promises: Promises,
): PassResult<T> {
  const guest = object as StoredGuest;
  const all = backups.byIndex('guest', guestKey(guest));
  const newest = newestOf(all, isGone);
  const promised = schedules
    .list()
    .filter(
      (schedule) =>
        namespaceOf(schedule) === namespaceOf(guest) && isSelected(schedule, nameOf(guest).kind, guest),
    )
    .flatMap((schedule) => {
      const found = promises.of(schedule, now);
      const { name } = schedule.metadata;
      const made = all.filter(({ metadata }) => metadata.labels?.[SCHEDULE_LABEL] === name);
      const suspended = isExhausted(made, schedule.spec.maxFailures);
      return found === undefined ? [] : [{ name, suspended, ...found }];
    });
  const condition = judge(guest, newest, promised);
  const changes = promised.flatMap(({ changesAt }) => changesAt ?? []);
  const outcome = changes.length === 0 ? done : waiting('Promised', '', Math.min(...changes) - now);
  if (newest === undefined && condition === undefined && !isSaid(guest)) return { outcome };
  return { outcome, status: statusWith(guest, newest, condition, now) as T['status'] };
}

/** Where nothing is backed up, no guest is looked at. */
function isSpokenOf<T extends Guest>(
  guest: Stored<T>,
  { backups, schedules }: LastBackupSources<T>,
): boolean {
  return isSaid(guest) || schedules.list().length > 0 || backups.byIndex('guest', guestKey(guest)).length > 0;
}

function isSaid({ status }: Stored<Guest>): boolean {
  return status?.lastBackup !== undefined || findCondition(status?.conditions, 'BackedUp') !== undefined;
}

/** A backup that a Verify found damaged, or that nobody can read any more, or that needs such a one, is none. */
function newestOf(backups: readonly Stored<Backup>[], isGone: IsGone): Stored<Backup> | undefined {
  return backups
    .filter(soundAmong(backups, isGone))
    .filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.takenAt !== undefined,
    )
    .toSorted((a, b) => byTime(a.status?.takenAt, b.status?.takenAt))
    .at(-1);
}

/** Undefined: nobody has promised a backup of this guest. */
function judge(
  { metadata }: StoredGuest,
  newest: Stored<Backup> | undefined,
  promised: readonly { name: string; suspended: boolean; due: number | undefined }[],
): ConditionInput | undefined {
  if (promised.length === 0) return undefined;
  const suspended = promised.find((schedule) => schedule.suspended);
  if (suspended !== undefined) {
    const message = `the BackupSchedule ${suspended.name} makes no more backups of this guest, as the last of them all failed: look at them, then delete one`;
    return { type: 'BackedUp', status: 'False', reason: 'BackupSuspended', message };
  }
  const born = Date.parse(metadata.creationTimestamp ?? '');
  const takenAt = Date.parse(newest?.status?.takenAt ?? '') || 0;
  const broken = promised.find(({ due }) => due !== undefined && due >= born && takenAt < due);
  if (broken === undefined)
    return {
      type: 'BackedUp',
      status: newest === undefined ? 'Unknown' : 'True',
      reason: newest === undefined ? 'NotDueYet' : 'BackupCurrent',
      message: newest === undefined ? 'the first backup is still to come' : '',
    };
  const message = `the last time of the BackupSchedule ${broken.name} has passed without a whole backup of this guest: look at its Backups`;
  return { type: 'BackedUp', status: 'False', reason: 'BackupStale', message };
}

function statusWith(
  { status = {}, metadata }: StoredGuest,
  newest: Stored<Backup> | undefined,
  condition: ConditionInput | undefined,
  now: number,
): GuestStatus {
  const { lastBackup: _, conditions = [], ...rest }: GuestStatus = status;
  const { takenAt, consistency, verified } = newest?.status ?? {};
  const said =
    condition === undefined
      ? removeCondition(conditions, 'BackedUp')
      : setCondition(conditions, condition, { now, generation: metadata.generation });
  return {
    ...rest,
    ...(said.length === 0 && status.conditions === undefined ? {} : { conditions: said }),
    ...(newest === undefined || takenAt === undefined
      ? {}
      : {
          lastBackup: {
            name: newest.metadata.name,
            takenAt,
            ...(consistency === undefined ? {} : { consistency }),
            ...(verified === undefined ? {} : { verifiedAt: verified.at }),
          },
        }),
  };
}
