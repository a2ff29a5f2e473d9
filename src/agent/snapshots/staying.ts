/** Which snapshots of a guest would be lost if it moved. Pure. */
import type { GuestRecord } from '../record.ts';

/** Names of those that have memory, or lie in a pool that other hosts do not have: the others are in the disks wherever the guest is. */
export function stayingSnapshots(
  { snapshots = [] }: Pick<GuestRecord, 'snapshots'>,
  isShared: (pool: string) => boolean,
): string[] {
  return snapshots
    .filter(
      ({ memoryBytes, volumes }) => memoryBytes !== undefined || volumes.some(({ pool }) => !isShared(pool)),
    )
    .map(({ name }) => name);
}
