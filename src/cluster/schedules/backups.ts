/** What a BackupSchedule makes of one guest at one time, and when it gives a guest up. Pure. */
import { createHash } from 'node:crypto';
import type { Backup, BackupSpec } from '../../api/kinds/backup.ts';
import type { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
import type { Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { nextTick, parseCron, zoneNamed } from './cron.ts';
import { tickOf } from './plan.ts';

/** `tick`: ms since the epoch. */
export function backupSpec({ spec }: BackupSchedule, guest: BackupSpec['guest'], tick: number): BackupSpec {
  const {
    pool,
    mode,
    compression,
    encryption,
    bandwidth,
    ioPriority,
    fullEvery,
    jitterSeconds,
    windowSeconds,
  } = spec;
  const lateMs =
    jitterSeconds === undefined ? 0 : 1_000 * lateness(`${guest.kind}/${guest.name}/${tick}`, jitterSeconds);
  const { at, leftSeconds } = withinWindow(spec, tick, lateMs);
  const deadline = Math.min(windowSeconds ?? leftSeconds, leftSeconds);
  return {
    guest,
    pool,
    ...(mode === undefined ? {} : { mode }),
    ...(compression === undefined ? {} : { compression }),
    ...(encryption === undefined ? {} : { encryption }),
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(ioPriority === undefined ? {} : { ioPriority }),
    ...(fullEvery === undefined ? {} : { fullEvery }),
    ...(at === tick ? {} : { notBefore: timeOf(at) }),
    ...(deadline === Number.POSITIVE_INFINITY ? {} : { startDeadlineSeconds: deadline }),
  };
}

/** When a backup of this time begins, ms since the epoch, and how long the window is open from then on. */
function withinWindow(
  { window, timeZone }: BackupSchedule['spec'],
  tick: number,
  lateMs: number,
): { at: number; leftSeconds: number } {
  const open = { at: tick + lateMs, leftSeconds: Number.POSITIVE_INFINITY };
  if (window === undefined) return open;
  const zone = zoneNamed(timeZone ?? 'UTC');
  const next = (time: string, after: number) => {
    const [hour, minute] = time.split(':').map(Number);
    return nextTick(parseCron(`${minute} ${hour} * * *`), zone, after) ?? after;
  };
  // It is open when it closes before it opens again.
  const [closes, opens] = [next(window.to, open.at), next(window.from, open.at)];
  const at = closes <= opens ? open.at : opens + lateMs;
  const leftSeconds = Math.floor((next(window.to, at) - at) / 1_000);
  return { at, leftSeconds: Math.max(1, Math.min(leftSeconds, 86_400)) };
}

/** Seconds, the same for whoever asks: a new leader makes what the old one would have made. */
function lateness(what: string, most: number): number {
  return createHash('sha256').update(what).digest().readUInt32BE(0) % (most + 1);
}

/** Why one ended that its host could not make. */
const LOST: readonly string[] = ['HostLost', 'HostGone'];

/** The last `most` that have ended, by their times, all failed. That a host was lost says nothing of the backups that are to come. */
export function isExhausted(children: readonly Stored<Backup>[], most: number | undefined): boolean {
  if (most === undefined) return false;
  const last = children
    .filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.completedAt !== undefined,
    )
    .filter(({ status }) => !LOST.includes(findCondition(status?.conditions, 'Ready')?.reason ?? ''))
    .toSorted((a, b) => tickOf(b) - tickOf(a))
    .slice(0, most);
  return last.length === most && last.every(({ status }) => status?.phase === 'Failed');
}
