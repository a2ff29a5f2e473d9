/**
 * Which earlier Backups a new one of a machine may be based on, so that only what changed since is copied. A mark on a disk bears the name of the
 * archive of its moment: it counts only together with that archive, so whatever dies in between claims nothing that no archive holds.
 */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { byTime } from '../../base/clock.ts';
import type { CopyBegun } from '../../drivers/hypervisor/contract.ts';
import type { ArchiveBase, DiskBitmap } from '../../drivers/storage/contract.ts';
import { handleOf } from '../guests/gather.ts';
import { recordOf } from '../jobs/guest.ts';
import type { GuestRecord } from '../record.ts';
import { guestOf } from '../snapshots/world.ts';
import { type BackupWorld, keyOfBackup } from './world.ts';

/** Older ones than these have lost their marks to newer ones. */
const BASES_AT_MOST = 4;

/** True when it is to copy what changed since another, now or the next time. */
export function isIncremental({ spec }: Stored<Backup>): boolean {
  return spec.guest.kind === 'VirtualMachine' && (spec.fullEvery ?? 1) > 1;
}

/** Archives of the guest in the same pool with marks, newest first; none that is damaged, is to go, or needs such a one. */
export function basesFor(backup: Stored<Backup>, others: readonly Stored<Backup>[]): string[] {
  if (!isIncremental(backup)) return [];
  const bad = new Set(
    others
      .filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp !== undefined || status?.verified?.result === 'Damaged',
      )
      .flatMap(({ status }) => status?.archive ?? []),
  );
  return marked(others)
    .filter(({ spec }) => spec.pool === backup.spec.pool)
    .filter(({ status }) => ![status?.archive ?? '', ...(status?.needs ?? [])].some((name) => bad.has(name)))
    .flatMap(({ status }) => status?.archive ?? [])
    .slice(0, BASES_AT_MOST);
}

/** Of these the ones that are of this very guest and may have one more after them; none when the chain of the newest has come to its end. */
export function fittingBases(
  found: readonly ArchiveBase[],
  { uuid }: GuestRecord,
  { spec }: Stored<Backup>,
): ArchiveBase[] {
  const own = found.filter(({ manifest }) => manifest.guest.uuid === uuid);
  const isOpenEnded = ({ manifest }: ArchiveBase) =>
    (manifest.needs?.length ?? 0) + 1 < (spec.fullEvery ?? 1);
  return own.slice(0, 1).some(isOpenEnded) ? own.filter(isOpenEnded) : [];
}

/** Of these the ones that hold the disk as large as it is. */
export function basesOfDisk(
  bases: readonly ArchiveBase[],
  disk: { name: string; sizeBytes: number },
): string[] {
  return bases
    .filter(({ manifest }) =>
      manifest.parts.some(({ name, sizeBytes }) => name === disk.name && sizeBytes === disk.sizeBytes),
    )
    .map(({ name }) => name);
}

/** What is said of the bitmap of a disk. */
export function bitmapOf({ since, lost }: CopyBegun): DiskBitmap {
  if (since !== undefined) return 'Used';
  if (lost === undefined) return 'New';
  return lost === 'Half' ? 'Invalid' : 'Recreated';
}

/** Of the marks on its disks those stay that the next backup can use: in each pool the newest. `made`: this one's archive is whole. */
export async function tidyMarks(world: BackupWorld, backup: Stored<Backup>, made: boolean): Promise<void> {
  const record = recordOf(world, backup);
  const { inGuest } = world.hands('VirtualMachine');
  if (record?.kind !== 'VirtualMachine' || inGuest === undefined) return;
  const newest = new Map<string, string>();
  if (made && isIncremental(backup)) newest.set(backup.spec.pool, keyOfBackup(backup));
  for (const { spec, status } of marked(world.backups.byIndex('guest', guestOf(backup).text)))
    if (!newest.has(spec.pool)) newest.set(spec.pool, status?.archive ?? '');
  try {
    await inGuest.copies.keepMarks(handleOf(world.guests.stateDirectory, record), [...newest.values()]);
  } catch (error) {
    world.guests.world.log.warn('marks of earlier backups are left', {
      guest: record.name,
      error: String(error),
    });
  }
}

/** Those that stand and began marks, newest first. Earlier versions told whole seconds: of one the one that needs more, for it needs none that is newer. */
function marked(backups: readonly Stored<Backup>[]): Stored<Backup>[] {
  return backups
    .filter(
      ({ metadata, status }) =>
        metadata.deletionTimestamp === undefined &&
        status?.phase === 'Succeeded' &&
        status.parts?.some(({ bitmap }) => bitmap !== undefined) === true,
    )
    .toSorted(
      (a, b) =>
        byTime(b.status?.takenAt, a.status?.takenAt) ||
        (b.status?.needs?.length ?? 0) - (a.status?.needs?.length ?? 0),
    );
}
