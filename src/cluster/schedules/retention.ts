/**
 * Which backups of one guest a schedule keeps, by the rules of Proxmox: from the newest on each rule keeps the newest of each period that no
 * rule before it has kept one of, until it has kept as many as it may. https://pve.proxmox.com/pve-docs/chapter-vzdump.html, "Retention". Pure.
 */

import type { Backup } from '../../api/kinds/backup.ts';
import type { BackupScheduleSpec } from '../../api/kinds/backupSchedule.ts';
import type { Stored } from '../../api/meta.ts';
import { localTime } from './cron.ts';
import { tickOf } from './plan.ts';
import { type IsGone, soundAmong } from './sound.ts';

export type Retention = NonNullable<BackupScheduleSpec['retention']>;

const DAY_MS = 86_400_000;

/** Name of the period that a local time lies in. */
const periods: Readonly<Record<Exclude<keyof Retention, 'last'>, (local: number) => string>> = {
  hourly: (local) => iso(local).slice(0, 13),
  daily: (local) => iso(local).slice(0, 10),
  // ISO 8601: a week belongs to the year of its Thursday.
  weekly: (local) => iso(local + (4 - (new Date(local).getUTCDay() || 7)) * DAY_MS).slice(0, 10),
  monthly: (local) => iso(local).slice(0, 7),
  yearly: (local) => iso(local).slice(0, 4),
};

/**
 * Of the times of backups, the ones that go: milliseconds since 1970, judged by the clocks of the zone. No rule: none goes.
 */
export function pruned(times: readonly number[], retention: Retention, zone: Intl.DateTimeFormat): number[] {
  if (isWithoutRules(retention)) return [];
  const newestFirst = times.toSorted((a, b) => b - a);
  const kept = new Set(newestFirst.slice(0, retention.last ?? 0));
  const gone = new Set<number>();
  for (const rule of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
    const periodOf = (at: number) => periods[rule](localTime(zone, at));
    const covered = new Set([...kept].map(periodOf));
    const own = new Set<string>();
    for (const at of newestFirst) {
      if (kept.has(at) || gone.has(at) || covered.has(periodOf(at))) continue;
      if (own.has(periodOf(at))) gone.add(at);
      else if (own.size < (retention[rule] ?? 0)) {
        own.add(periodOf(at));
        kept.add(at);
      }
    }
  }
  return newestFirst.filter((at) => !kept.has(at)).toReversed();
}

/**
 * Of the children of one guest those that go: good ones by the rules, protected ones never, failures that a later good one has made good, and
 * what was found damaged likewise where there are rules. `all` of the guest: what one that stays needs stays too. `wanted`: names of those that
 * somebody is about to have back.
 */
export function surplusBackups(
  children: readonly Stored<Backup>[],
  retention: Retention,
  {
    zone,
    all,
    wanted = new Set(),
    isGone = () => false,
  }: {
    zone: Intl.DateTimeFormat;
    all: readonly Stored<Backup>[];
    wanted?: ReadonlySet<string>;
    isGone?: IsGone;
  },
): Stored<Backup>[] {
  const standing = children.filter(
    ({ metadata, spec }) => metadata.deletionTimestamp === undefined && spec.protected !== true,
  );
  // One that was found damaged, or that nobody can read, takes the place of no whole one.
  const isGood = soundAmong(all, isGone);
  const good = standing.filter(isGood);
  const newest = Math.max(0, ...good.map(tickOf));
  const gone = new Set(pruned(good.map(tickOf), retention, zone));
  const surplus = standing.filter((child) => {
    if (wanted.has(child.metadata.name)) return false;
    if (isGood(child)) return gone.has(tickOf(child));
    // Where all are kept, so is what may be left of it.
    if (child.status?.phase === 'Succeeded' && isWithoutRules(retention)) return false;
    return child.status?.completedAt !== undefined && tickOf(child) < newest;
  });
  const going = new Set(surplus.map(({ metadata }) => metadata.uid));
  const needed = new Set(
    all.filter(({ metadata }) => !going.has(metadata.uid)).flatMap(({ status }) => status?.needs ?? []),
  );
  return surplus.filter(({ status }) => !needed.has(status?.archive ?? ''));
}

function isWithoutRules(retention: Retention): boolean {
  return Object.values(retention).every((count) => count === undefined);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
