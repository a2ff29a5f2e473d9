/** What a schedule is to make, and which Snapshots it is to delete. Pure. */
import { createHash } from 'node:crypto';
import { type GuestName, guestUuid } from '../../api/identity.ts';
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import type { SnapshotSchedule } from '../../api/kinds/snapshotSchedule.ts';
import type { KubeObject, Stored } from '../../api/meta.ts';
import type { AnyGuest } from '../guests.ts';

/** On a Snapshot or Backup that a schedule made: the schedule's name. */
export const SCHEDULE_LABEL = 'vireo.dev/schedule';

/** Guests as the schedule's selector names them. */
export function isSelected(
  { spec }: { spec: Pick<SnapshotSchedule['spec'], 'guestSelector'> },
  kind: GuestName['kind'],
  { metadata }: Stored<AnyGuest>,
): boolean {
  const { kind: wanted, matchLabels = {} } = spec.guestSelector ?? {};
  if (metadata.deletionTimestamp !== undefined || (wanted !== undefined && wanted !== kind)) return false;
  return Object.entries(matchLabels).every(([key, value]) => metadata.labels?.[key] === value);
}

/** One name for one tick of one guest: whoever makes it a second time is told that it exists. */
export function childName(schedule: string, clusterId: string, guest: GuestName, tick: number): string {
  const minutes = Math.floor(tick / 60_000);
  const uuid = guestUuid(clusterId, guest).replaceAll('-', '').slice(0, 8);
  return `${cut(schedule)}-${uuid}-${minutes}`;
}

/** A long name is cut and made unique again by its hash. */
function cut(name: string): string {
  if (name.length <= 40) return name;
  return `${name.slice(0, 33)}-${createHash('sha256').update(name).digest('hex').slice(0, 6)}`;
}

/** Of the children of one guest, oldest first: those beyond `keep` that stand, failures that a later one has made good, and lost ones. */
export function surplus(children: readonly Stored<Snapshot>[], keep: number): Stored<Snapshot>[] {
  const newestFirst = children
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => tickOf(b) - tickOf(a));
  const kept = newestFirst.filter(({ status }) => status?.phase === 'Ready').slice(0, keep);
  const newest = kept[0] === undefined ? 0 : tickOf(kept[0]);
  return newestFirst
    .filter((child) => child.status?.phase === 'Lost' || (!kept.includes(child) && tickOf(child) < newest))
    .toReversed();
}

/** The time a child of a schedule was made for, by its name; milliseconds since 1970. */
export function tickOf({ metadata }: Stored<KubeObject>): number {
  return 60_000 * Number(/-(\d+)$/.exec(metadata.name)?.[1] ?? 0);
}
