/** Lets no more Backups of one schedule, or into one pool, be under way than these say: the others get no host yet. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import { scheduleOf } from '../schedules/schedules.ts';
import type { KeptDecision } from './decide.ts';

/** One that ends tells only those that wait for its guest. */
const RECHECK_MS = 5_000;

export type Queue = {
  /** The decision, or to wait instead. */
  admit(backup: Stored<Backup>, decision: KeptDecision): KeptDecision;
};

export type QueueSources = {
  /** With the indexes `schedule` and `pool`. */
  backups: Informer<Backup>;
  schedules: Informer<BackupSchedule>;
  pool(name: string): StoragePool | undefined;
  /** What it has begun is not under way any more. */
  isHostLost(name: string): boolean;
};

/** So many of these at the same time. */
type Limit = { most: number | undefined; among: readonly Stored<Backup>[]; reason: string; by: string };

export function createQueue({ backups, schedules, pool, isHostLost }: QueueSources): Queue {
  // What was given a host just now may not be seen with it yet.
  const given = new Set<string>();
  const limitsOf = (backup: Stored<Backup>): Limit[] => {
    const [key = ''] = scheduleOf(backup);
    const { pool: name } = backup.spec;
    return [
      {
        ...{ most: schedules.get(key)?.spec.parallel, among: backups.byIndex('schedule', key) },
        ...{ reason: 'ScheduleBusy', by: 'of its schedule are under way, as many as parallel allows' },
      },
      {
        ...{ most: pool(name)?.spec.parallelBackups, among: backups.byIndex('pool', name) },
        ...{
          reason: 'PoolBusy',
          by: `go into the StoragePool ${name}, as many as its parallelBackups allows`,
        },
      },
    ];
  };
  const underWay = (among: readonly Stored<Backup>[], backup: Stored<Backup>): number => {
    for (const { metadata, status } of among)
      if (status?.host !== undefined || status?.completedAt !== undefined) given.delete(metadata.uid);
    return among.filter(
      ({ metadata, status }) =>
        metadata.uid !== backup.metadata.uid &&
        metadata.deletionTimestamp === undefined &&
        status?.completedAt === undefined &&
        (status?.host === undefined ? given.has(metadata.uid) : !isHostLost(status.host)),
    ).length;
  };
  return {
    admit: (backup, decision) => {
      if (decision.type !== 'assign' || backup.status?.host !== undefined) return decision;
      const limits = limitsOf(backup).filter(({ most }) => most !== undefined);
      for (const { most = 0, among, reason, by } of limits) {
        const others = underWay(among, backup);
        if (others >= most)
          return { type: 'wait', reason, message: `${others} other backups ${by}`, afterMs: RECHECK_MS };
      }
      if (limits.length > 0) given.add(backup.metadata.uid);
      return decision;
    },
  };
}
