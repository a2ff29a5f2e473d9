/**
 * Snapshots that go with their guest: on storage that its new host has as well they are in the disks the guest has taken along, moved or recovered, and
 * that host looks after them.
 */
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { StoredGuest } from '../guests.ts';

/** The host of the guest, if that has the snapshot now. Undefined: it stays where it is. */
export function hostAfterGuest(
  { status }: Stored<Snapshot>,
  guest: StoredGuest | undefined,
  pool: (name: string) => StoragePool | undefined,
): string | undefined {
  const placed = guest?.status?.placement?.host;
  if (status?.host === undefined || placed === undefined || placed === status.host) return undefined;
  // What was half-taken is in disks that the guest could not have been recovered without.
  if (status.phase === 'Failed')
    return findCondition(status.conditions, 'Ready')?.reason === 'HostLost' ? placed : undefined;
  if (status.phase !== 'Ready') return undefined;
  const { volumes = [] } = status;
  const areThere = volumes.length > 0 && volumes.every((volume) => pool(volume.pool)?.spec.shared === true);
  return areThere ? placed : undefined;
}
