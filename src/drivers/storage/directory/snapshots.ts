/** Snapshots of a pool's volumes, one deed per volume at a time. A rollback is written down before it begins: after a crash it is finished. */
import type { VolumeSnapshots } from '../contract.ts';
import { checkedName } from '../names.ts';
import { snapshotMissing, snapshotUnsupported, volumeMissing } from '../refusals.ts';
import type { SnapshotKeeper } from './ground.ts';
import { dataName } from './layout.ts';
import { attachmentAt, readVolumeRecord, type VolumeRecord } from './records.ts';
import { finishSwap, swapsBegun } from './replacing.ts';
import { mark, type PoolRoom } from './room.ts';

/** The snapshots of one pool's volumes. */
export function createSnapshots(room: PoolRoom, keeper: SnapshotKeeper): VolumeSnapshots {
  const { files } = room.world;
  const supported = async (id: string): Promise<VolumeRecord | undefined> => {
    await finishRollback(room, keeper, id);
    const volume = await readVolumeRecord(files, room.layout.volume(id));
    return volume !== undefined && room.ground.snapshots[volume.format] !== undefined ? volume : undefined;
  };
  return {
    list: (id) =>
      room.lock(id, async () => {
        const volume = await supported(id);
        return volume === undefined ? [] : keeper.list(volume);
      }),
    take: (id, name) =>
      room.lock(id, async () => {
        await room.checkPresent();
        const volume = await supported(id);
        if (volume === undefined) throw await whyNot(room, id);
        if (!(await keeper.list(volume)).includes(checkedName(name))) await keeper.take(volume, name);
      }),
    rollBack: (id, name, permitted) =>
      room.lock(id, async () => {
        await room.checkPresent();
        const volume = await supported(id);
        if (volume === undefined) throw await whyNot(room, id);
        if (!(await keeper.list(volume)).includes(checkedName(name))) throw snapshotMissing(id, name);
        await permitted?.();
        await mark(room, room.layout.rollback(id), name);
        await finishRollback(room, keeper, id);
      }),
    remove: (id, name) =>
      room.lock(id, async () => {
        await room.checkPresent();
        const volume = await supported(id);
        if (volume === undefined) return;
        if ((await keeper.list(volume)).includes(checkedName(name))) await keeper.remove(volume, name);
      }),
    attach: (id, name) =>
      room.lock(id, async () => {
        const volume = await supported(id);
        if (volume === undefined || keeper.place === undefined) throw await whyNot(room, id);
        const place = keeper.place(id, name);
        const then = await readVolumeRecord(files, place);
        if (then === undefined) throw snapshotMissing(id, name);
        return attachmentAt(`${place}/${dataName(then)}`, then);
      }),
  };
}

/** Ends a rollback or a replacement that was begun, if there is one; the caller holds the lock of the volume. */
export async function finishRollback(room: PoolRoom, keeper: SnapshotKeeper, id: string): Promise<void> {
  await finishSwap(room, id);
  const begun = room.layout.rollback(id);
  const name = await room.world.files.readText(begun);
  if (name === undefined) return;
  await keeper.rollBack(id, name);
  await room.world.files.remove(begun);
}

/**
 * Ends what a crash interrupted; what cannot be ended keeps its volume from being attached, not the pool from opening. What lies on shared
 * storage may be under way on another host: there it is ended by whoever uses the volume next.
 */
export async function finishRollbacks(room: PoolRoom, keeper: SnapshotKeeper): Promise<void> {
  const { files, log } = room.world;
  const { rollbacks, replacing } = room.layout;
  if (room.isShared) return;
  const swaps = await swapsBegun(room);
  const swapped = swaps.flatMap(({ ids }) => ids);
  const begun = [...(await files.list(rollbacks)), ...(await files.list(replacing)), ...swapped];
  for (const id of new Set(begun)) {
    await room
      .lock(id, () => finishRollback(room, keeper, id))
      .catch((error: unknown) => {
        log.warn('what was begun with a volume cannot be finished', { volume: id, error: String(error) });
      });
  }
  for (const { name } of swaps) await files.remove(room.layout.swap(name));
}

async function whyNot({ world, layout }: PoolRoom, id: string) {
  const volume = await readVolumeRecord(world.files, layout.volume(id));
  return volume === undefined ? volumeMissing(id) : snapshotUnsupported(id, volume.format);
}
