/** Removes what is left of a guest that is at home on another host: its process, interfaces, volumes that were copied; its record last. */
import type { RecordedVolume } from '../../record.ts';
import type { MovePass, MoveWorld } from '../world.ts';

/** So long its new host has to say where its volumes lie. */
const SAID_MS = 60_000;
const SAID_RECHECK_MS = 1_000;

/** What could not be removed yet; undefined when nothing is left. `lastedMs`: since it was tried first. Repeatable. */
export async function releaseGuest(
  { guests }: MoveWorld,
  { mover, handle, guest, signal }: MovePass,
  lastedMs: number,
): Promise<{ afterMs: number } | undefined> {
  const record = guests.records.get(handle.id);
  if (record === undefined) return undefined;
  // One that was recovered there, as this host was lost, uses what it had: nothing was copied of it then.
  const used = (await mover.read(guest, signal))?.status?.volumes ?? [];
  const leaves = ({ pool }: RecordedVolume) => record.outgoing?.storage?.[pool] !== undefined;
  const isUsed = ({ pool, id }: RecordedVolume) =>
    used.some((volume) => volume.pool === pool && volume.id === id);
  const isDoubtful = record.volumes.some((volume) => leaves(volume) && isUsed(volume));
  if (isDoubtful && lastedMs < SAID_MS) return { afterMs: SAID_RECHECK_MS };
  await guests.jobs.cancel(handle.id);
  const { state } = await mover.observe(handle);
  if (state !== 'Off') await mover.kill(handle);
  await mover.remove(handle);
  for (const { name } of record.nics) await guests.network.detach(handle.id, name);
  for (const volume of record.volumes) {
    const isGone = await removeCopy(guests.pools, volume, handle.uuid, leaves(volume) && !isUsed(volume));
    if (!isGone) return { afterMs: POOL_RECHECK_MS };
  }
  if (record.idBase !== undefined) guests.idRanges.release(record.idBase);
  await guests.records.remove(handle.id);
  guests.controlPlane.reportEpoch(handle.id, false);
  guests.presence.setRunning(handle.id, false);
  guests.presence.setOrphan(handle.id, undefined);
  return undefined;
}

/** A pool that is not open here now may be soon. */
const POOL_RECHECK_MS = 10_000;

/** On shared storage the volume is the guest's one and only, unless it has gone to another pool. */
async function removeCopy(
  pools: MoveWorld['guests']['pools'],
  { pool: name, id }: RecordedVolume,
  guestUuid: string,
  hasGone: boolean,
): Promise<boolean> {
  const pool = pools.get(name);
  if (pool?.type !== 'Open') return pool?.type === 'Elsewhere';
  if (pool.driver.capabilities.shared === true && !hasGone) return true;
  await pool.driver.remove(id, { guestUuid });
  pools.used.tell(name);
  return true;
}
