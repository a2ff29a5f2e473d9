/** The volumes of a guest under one snapshot: taken all together, removed and rolled back one after the other. */
import { ReasonedError } from '../../base/outcome.ts';
import type { GuestHandle, GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { StoragePool } from '../../drivers/storage/contract.ts';
import type { GuestRecord, RecordedSnapshot } from '../record.ts';
import type { Hands, SnapshotWorld } from './world.ts';

export type KeptVolume = RecordedSnapshot['volumes'][number] & {
  driver: StoragePool;
  /** Inside: while a machine has it open, only its QEMU can take or remove it. */
  kept: 'Pool' | 'Inside' | 'Nowhere';
};

/** The volumes that a guest has now. Throws ReasonedError StoragePoolNotReady. */
export async function volumesOf(
  { guests }: SnapshotWorld,
  volumes: GuestRecord['volumes'],
): Promise<KeptVolume[]> {
  const found = await Promise.all(
    volumes.map(async ({ name, pool, id }) => {
      const state = guests.pools.get(pool);
      if (state?.type !== 'Open')
        throw new ReasonedError(
          'StoragePoolNotReady',
          `the StoragePool ${pool} cannot be used here at the moment`,
        );
      const facts = await state.driver.observe(id);
      if (facts === undefined) return [];
      const kept = state.driver.capabilities.snapshots[facts.format] ?? 'Nowhere';
      const { sizeBytes } = facts;
      return [{ name, pool, id, sizeBytes, driver: state.driver, kept } as const];
    }),
  );
  return found.flat();
}

/** Throws ReasonedError NoVolumes, SnapshotUnsupported. */
export function checkVolumes(volumes: readonly KeptVolume[]): void {
  if (volumes.length === 0)
    throw new ReasonedError('NoVolumes', 'the guest has no volumes yet', { stalled: true });
  const unfit = volumes.find(({ kept }) => kept === 'Nowhere');
  if (unfit === undefined) return;
  const message = `the StoragePool ${unfit.pool} cannot snapshot ${unfit.name}: a Directory pool can with qcow2 disks, a Btrfs pool with everything`;
  throw new ReasonedError('SnapshotUnsupported', message, { stalled: true });
}

/** True while a process of the guest has its volumes open. Throws ReasonedError when nobody can tell. */
export function isOpen(observation: GuestObservation): boolean {
  if (observation.state === 'Unmanageable') throw new ReasonedError(observation.reason, observation.message);
  return observation.state !== 'Off';
}

type Guest = { hands: Hands; handle: GuestHandle };

/** The guest stands still, or is off. All are there when it resolves; when it throws some may be. */
export async function takeVolumes(
  { hands, handle }: Guest,
  key: string,
  volumes: readonly KeptVolume[],
  open: boolean,
): Promise<void> {
  const { inside, outside } = divide(volumes, open);
  if (inside.length > 0) await inGuest(hands).take(handle, key, names(inside));
  const taken = await Promise.allSettled(outside.map(({ driver, id }) => driver.snapshots.take(id, key)));
  const refused = taken.find((result) => result.status === 'rejected');
  if (refused?.status === 'rejected') throw refused.reason;
}

/** Repeatable until nothing of it is left. */
export async function removeVolumes(
  { hands, handle }: Guest,
  key: string,
  volumes: readonly KeptVolume[],
  open: boolean,
): Promise<void> {
  const { inside, outside } = divide(volumes, open);
  if (inside.length > 0) await inGuest(hands).remove(handle, key, names(inside));
  for (const { driver, id } of outside) await driver.snapshots.remove(id, key);
}

function divide(volumes: readonly KeptVolume[], open: boolean) {
  return {
    inside: volumes.filter(({ kept }) => open && kept === 'Inside'),
    outside: volumes.filter(({ kept }) => kept !== 'Nowhere' && !(open && kept === 'Inside')),
  };
}

function names(volumes: readonly KeptVolume[]): string[] {
  return volumes.map(({ name }) => name);
}

function inGuest({ inGuest: found }: Hands) {
  if (found !== undefined) return found;
  throw new ReasonedError('SnapshotUnsupported', 'this host cannot snapshot disks of a running guest', {
    stalled: true,
  });
}
