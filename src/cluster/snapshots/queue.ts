/** Lets no more Backups of one schedule be under way than it says: the others get no host yet. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
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

/** `backups` has the index `schedule`. */
export function createQueue(backups: Informer<Backup>, schedules: Informer<BackupSchedule>): Queue {
  // What was given a host just now may not be seen with it yet.
  const given = new Set<string>();
  return {
    admit: (backup, decision) => {
      if (decision.type !== 'assign' || backup.status?.host !== undefined) return decision;
      const [key = ''] = scheduleOf(backup);
      const parallel = schedules.get(key)?.spec.parallel;
      if (parallel === undefined) return decision;
      const siblings = backups.byIndex('schedule', key);
      for (const { metadata, status } of siblings)
        if (status?.host !== undefined || status?.completedAt !== undefined) given.delete(metadata.uid);
      const underWay = siblings.filter(
        ({ metadata, status }) =>
          metadata.uid !== backup.metadata.uid &&
          metadata.deletionTimestamp === undefined &&
          status?.completedAt === undefined &&
          (status?.host !== undefined || given.has(metadata.uid)),
      );
      if (underWay.length >= parallel) {
        const message = `${underWay.length} other backups of its schedule are under way, as many as parallel allows`;
        return { type: 'wait', reason: 'ScheduleBusy', message, afterMs: RECHECK_MS };
      }
      given.add(backup.metadata.uid);
      return decision;
    },
  };
}
