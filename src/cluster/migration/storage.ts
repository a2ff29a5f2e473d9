/** Which pools a guest needs on its target: those its volumes lie in, or those that the Migration puts in their place. Pure. */
import type { MigrationSpec } from '../../api/kinds/migration.ts';
import { isMachine, type StoredGuest } from '../guests.ts';

type Storage = MigrationSpec['storage'];

/** The guest as its target has to take it: each volume in the pool it will lie in there. */
export function withPoolsThere(guest: StoredGuest, storage: Storage): StoredGuest {
  const there = (name: string, asked: string) => {
    const pool = poolOf(guest, name) ?? asked;
    return storage?.find((entry) => entry.pool === pool)?.target ?? pool;
  };
  if (!isMachine(guest)) {
    const { rootfs } = guest.spec;
    return { ...guest, spec: { ...guest.spec, rootfs: { ...rootfs, pool: there('rootfs', rootfs.pool) } } };
  }
  const disks = guest.spec.disks?.map((disk) => ({ ...disk, pool: there(disk.name, disk.pool) }));
  return disks === undefined ? guest : { ...guest, spec: { ...guest.spec, disks } };
}

/** A pool that the Migration names and none of the guest's volumes lies in: a slip of whoever wrote it. */
export function poolWithoutVolume(guest: StoredGuest, storage: Storage): string | undefined {
  const here = new Set(
    isMachine(guest)
      ? guest.spec.disks?.map(({ name, pool }) => poolOf(guest, name) ?? pool)
      : [poolOf(guest, 'rootfs') ?? guest.spec.rootfs.pool],
  );
  return storage?.find(({ pool }) => !here.has(pool))?.pool;
}

/** Where a volume lies, which an earlier move may have changed. */
function poolOf({ status }: StoredGuest, volume: string): string | undefined {
  return status?.volumes?.find(({ name }) => name === volume)?.pool;
}
