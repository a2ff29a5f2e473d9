/** Snapshots of a pool's volumes, one deed per volume at a time. A rollback is written down before it begins: after a crash it is finished. */
import type { VolumeSnapshots } from '../contract.ts';
import { checkedName } from '../names.ts';
import { snapshotMissing, snapshotUnsupported, volumeMissing } from '../refusals.ts';
import type { SnapshotKeeper } from './ground.ts';
import { dataName } from './layout.ts';
import { attachmentAt, readVolumeRecord, type VolumeRecord } from './records.ts';
import { beginRollback, finishRollback } from './rollbacks.ts';
import type { PoolRoom } from './room.ts';

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
    rollBack: (ids, name, permitted) =>
      lockAll(room, ids, async () => {
        await room.checkPresent();
        for (const id of ids) {
          const volume = await supported(id);
          if (volume === undefined) throw await whyNot(room, id);
          if (!(await keeper.list(volume)).includes(checkedName(name))) throw snapshotMissing(id, name);
        }
        await permitted?.();
        await beginRollback(room, ids, name);
        for (const id of ids) await finishRollback(room, keeper, id);
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

/** In one order, so that no two wait for each other. */
function lockAll<T>(room: PoolRoom, ids: readonly string[], deed: () => Promise<T>): Promise<T> {
  return [...new Set(ids)]
    .sort()
    .reduceRight<() => Promise<T>>((inner, id) => () => room.lock(id, inner), deed)();
}

async function whyNot({ world, layout }: PoolRoom, id: string) {
  const volume = await readVolumeRecord(world.files, layout.volume(id));
  return volume === undefined ? volumeMissing(id) : snapshotUnsupported(id, volume.format);
}
