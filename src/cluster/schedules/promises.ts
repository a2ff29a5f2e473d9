/** By when a schedule must have had a backup made. Each is worked out once per time of the schedule, however many guests ask. */
import type { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
import type { Stored } from '../../api/meta.ts';
import { latestTick, nextTick, parseCron, zoneNamed } from './cron.ts';

/** So long after its time a backup may still be under way. */
const GRACE_MS = 3_600_000;

const DAY_MS = 86_400_000;
/** The last time is looked for in ever longer stretches: a schedule may have one each minute or one each year. */
const STRETCHES_MS: readonly number[] = [3_600_000, DAY_MS, 8 * DAY_MS, 32 * DAY_MS, 367 * DAY_MS];

export type Promised = {
  /** The last time of which a backup must be there by now, as far as the schedule is that old; ms since the epoch. */
  due: number | undefined;
  /** When the next one must be; ms since the epoch. */
  changesAt: number | undefined;
};

export type Promises = {
  /** Undefined: it promises nothing, as it is suspended or wrong. */
  of(schedule: Stored<BackupSchedule>, now: number): Promised | undefined;
};

/** Nothing is worked out yet. */
export function createPromises(): Promises {
  const known = new Map<string, Promised & { generation: number | undefined; from: number }>();
  return {
    of: (schedule, now) => {
      const { uid, generation } = schedule.metadata;
      if (schedule.spec.suspend === true) return undefined;
      const before = known.get(uid);
      const holds =
        before !== undefined &&
        before.generation === generation &&
        now >= before.from &&
        now < (before.changesAt ?? Number.POSITIVE_INFINITY);
      if (holds) return before;
      const fresh = promised(schedule, now);
      if (fresh === undefined) known.delete(uid);
      else known.set(uid, { ...fresh, generation, from: now });
      return fresh;
    },
  };
}

function promised({ spec, metadata }: Stored<BackupSchedule>, now: number): Promised | undefined {
  try {
    const cron = parseCron(spec.schedule);
    const zone = zoneNamed(spec.timeZone ?? 'UTC');
    // What has a window waits for it, a day at most.
    const graceMs = spec.window === undefined ? GRACE_MS : GRACE_MS + DAY_MS;
    const until = now - graceMs;
    let last: number | undefined;
    for (const ms of STRETCHES_MS) last ??= latestTick(cron, zone, { after: until - ms, until });
    const born = Date.parse(metadata.creationTimestamp ?? '');
    const next = nextTick(cron, zone, until);
    return {
      due: last !== undefined && last >= born ? last : undefined,
      changesAt: next === undefined ? undefined : next + graceMs,
    };
  } catch {
    // What is wrong with it is said in its own status.
    return undefined;
  }
}
