/**
 * What a restored state must say of itself: that it is a later one than any host has seen, so that hosts do not start from it what others
 * run already.
 */
import type { Entry } from '../../store/contract.ts';

const clusterKey = '/registry/core/configmaps/vireo-system/cluster';
/** More leaders than there have ever been since a backup. */
const leadersAtMost = 1_000_000;

/**
 * The entries with a higher `data.incarnation` in ConfigMap vireo-system/cluster. Each new leader raises it by one, and nobody knows how often
 * since the backup; so it becomes the seconds since 1970, or a million more than it was: later restores of the same backup exceed earlier ones.
 * `data.restored` keeps the number for all later leaders: what hosts have reported to an earlier one is from before.
 */
export function raiseIncarnation(entries: readonly Entry[], nowMs: number): Entry[] {
  return entries.map((entry) =>
    entry.key === clusterKey ? { ...entry, value: raised(entry, nowMs) } : entry,
  );
}

function raised({ value }: Entry, nowMs: number): Uint8Array {
  const object = JSON.parse(Buffer.from(value).toString('utf8')) as { data?: Record<string, string> };
  const before = Number(object.data?.incarnation);
  const base = Number.isSafeInteger(before) && before > 0 ? before : 0;
  const incarnation = Math.max(base + leadersAtMost, Math.floor(nowMs / 1000));
  return Buffer.from(
    JSON.stringify({
      ...object,
      data: { ...object.data, incarnation: String(incarnation), restored: String(incarnation) },
    }),
  );
}
