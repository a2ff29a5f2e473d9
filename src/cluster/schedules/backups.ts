/** What a BackupSchedule makes of one guest at one time, and when it gives a guest up. Pure. */
import { createHash } from 'node:crypto';
import type { Backup, BackupSpec } from '../../api/kinds/backup.ts';
import type { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
import type { Stored } from '../../api/meta.ts';
import { tickOf } from './plan.ts';

/** `tick`: ms since the epoch. */
export function backupSpec({ spec }: BackupSchedule, guest: BackupSpec['guest'], tick: number): BackupSpec {
  const { pool, mode, compression, encryption, bandwidth, fullEvery, jitterSeconds, windowSeconds } = spec;
  const late =
    jitterSeconds === undefined ? 0 : lateness(`${guest.kind}/${guest.name}/${tick}`, jitterSeconds);
  return {
    guest,
    pool,
    ...(mode === undefined ? {} : { mode }),
    ...(compression === undefined ? {} : { compression }),
    ...(encryption === undefined ? {} : { encryption }),
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(fullEvery === undefined ? {} : { fullEvery }),
    ...(late === 0 ? {} : { notBefore: `${new Date(tick + late * 1_000).toISOString().slice(0, 19)}Z` }),
    ...(windowSeconds === undefined ? {} : { startDeadlineSeconds: windowSeconds }),
  };
}

/** Seconds, the same for whoever asks: a new leader makes what the old one would have made. */
function lateness(what: string, most: number): number {
  return createHash('sha256').update(what).digest().readUInt32BE(0) % (most + 1);
}

/** The last `most` that have ended, by their times, all failed. */
export function isExhausted(children: readonly Stored<Backup>[], most: number | undefined): boolean {
  if (most === undefined) return false;
  const last = children
    .filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.completedAt !== undefined,
    )
    .toSorted((a, b) => tickOf(b) - tickOf(a))
    .slice(0, most);
  return last.length === most && last.every(({ status }) => status?.phase === 'Failed');
}
