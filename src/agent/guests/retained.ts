/** Finds volumes that an earlier guest of the same name has left: they are used as they are, which whoever wanted a fresh one must be told. */
import type { StoragePool } from '../../drivers/storage/contract.ts';
import type { VolumePlan } from './kind.ts';
import { volumeId } from './remember.ts';
import type { GuestScope } from './scope.ts';

/** Tells of them; for a guest that this host has no record of, before any of its volumes may be shown. */
export async function findRetained(
  { pool }: { pool(name: string): Pick<StoragePool, 'observe'> | undefined },
  scope: GuestScope,
): Promise<() => void> {
  const { handle, object, volumePlans } = scope;
  // A guest that comes from another host has its volumes on shared storage already, and its status says so.
  const known = new Set(object.status?.volumes?.map(({ name }) => name));
  const looks = volumePlans.map(async (plan) => {
    if (known.has(plan.name)) return [];
    const volume = await pool(plan.pool)
      ?.observe(volumeId(handle.id, plan.name))
      .catch(() => undefined);
    return volume?.owner.guestUuid === handle.uuid ? [plan] : [];
  });
  const found = (await Promise.all(looks)).flat();
  return () => {
    for (const plan of found)
      scope.event(isFilled(plan) ? 'Warning' : 'Normal', 'VolumeTakenBack', said(plan));
  };
}

function isFilled({ image, from, restore }: VolumePlan): boolean {
  return image !== undefined || from !== undefined || restore !== undefined;
}

function said(plan: VolumePlan): string {
  const { name, pool } = plan;
  const text = `the volume ${name} that an earlier guest of this name left in the StoragePool ${pool} is used as it is`;
  return isFilled(plan)
    ? `${text}, not its source: delete the guest with reclaimPolicy Delete for a fresh one`
    : text;
}
