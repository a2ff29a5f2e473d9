/**
 * Puts other data in the place of volumes': made hidden beside them, then moved to their places by renames. A mark that names them all is
 * written first: from then on whoever uses one of them finishes it.
 */
import type { VolumeReplacements, VolumeRequest } from '../contract.ts';
import { checkedName } from '../names.ts';
import { replacementMissing, volumeMissing } from '../refusals.ts';
import { fillVolume, flushVolume, type Sources } from './filling.ts';
import { readVolumeRecord, type VolumeRecord } from './records.ts';
import { finishRollback } from './rollbacks.ts';
import { mark, moveIfThere, type PoolRoom, renameIfThere } from './room.ts';

/** The replacements of one pool's volumes. */
export function createReplacements(sources: Sources): VolumeReplacements {
  const { room, keeper } = sources;
  const { layout } = room;
  const { files } = room.world;
  const placeOf = (id: string, name: string) => `${layout.preparedFor(id)}/${checkedName(name)}`;

  const insistOn = async (id: string, name: string): Promise<void> => {
    await finishRollback(room, keeper, id);
    if ((await files.stat(placeOf(id, name))) !== undefined) return;
    const volume = await readVolumeRecord(files, layout.volume(id));
    if (volume?.replacedBy !== name) throw replacementMissing(id, name);
  };

  return {
    // Not under the lock of the volume: its guest may run, and be given a larger disk, for as long as this takes.
    prepare: async ({ id, name, idBase, open, follow }, signal) =>
      room.lock(placeOf(id, name), async () => {
        await room.checkPresent();
        if ((await files.stat(placeOf(id, name))) !== undefined) return;
        const volume = await readVolumeRecord(files, layout.volume(id));
        if (volume === undefined) throw volumeMissing(id);
        const archived = await open(signal);
        const request = { ...requestFor(volume, idBase), archived };
        const made = room.partialPath(id);
        try {
          await room.ground.makeVolume(made);
          const filled = await fillVolume(sources, request, {
            ...{ made, signal, ...(follow === undefined ? {} : { follow }) },
          });
          await flushVolume(room, made, { ...filled, replacedBy: name });
          signal.throwIfAborted();
          await room.lock(id, async () => {
            // Its guest may have gone meanwhile, and everything of it.
            if ((await files.stat(layout.volume(id))) === undefined) throw volumeMissing(id);
            await files.makeDirectory(layout.preparedFor(id), { mode: 0o700 });
            await files.rename(made, placeOf(id, name));
          });
        } finally {
          await room.removeTree(made);
          await archived.dispose?.();
        }
      }),
    swap: async (ids, name, permitted) => {
      await room.checkPresent();
      for (const id of ids) await room.lock(id, () => insistOn(id, name));
      await permitted?.();
      await mark(room, layout.swap(name), JSON.stringify(ids));
      for (const id of ids) await room.lock(id, () => finishSwap(room, id));
      await files.remove(layout.swap(name));
    },
    discard: async (id, name) =>
      room.lock(placeOf(id, name), async () => {
        await room.checkPresent();
        const away = room.partialPath(id);
        if (await renameIfThere(files, placeOf(id, name), away)) await room.removeTree(away);
        if ((await files.list(layout.preparedFor(id))).length === 0)
          await files.remove(layout.preparedFor(id));
      }),
  };
}

/** Ends a swap of this volume that was begun, if there is one; the caller holds the lock of the volume. */
export async function finishSwap(room: PoolRoom, id: string): Promise<void> {
  const { layout } = room;
  const { files } = room.world;
  for (const { name, ids } of await swapsBegun(room))
    if (ids.includes(id))
      await moveIfThere(room, `${layout.preparedFor(id)}/${name}`, layout.replacement(id));
  if ((await files.stat(layout.replacement(id))) === undefined) return;
  const old = room.partialPath(id);
  const was = await moveIfThere(room, layout.volume(id), old);
  await room.move(layout.replacement(id), layout.volume(id));
  await room.removeTree(layout.preparedFor(id));
  if (was) room.removeLater(old);
}

/** Swaps that were begun and perhaps not ended, with the volumes of each: from the mark on all of them change. */
export async function swapsBegun({ world, layout }: PoolRoom): Promise<{ name: string; ids: string[] }[]> {
  const begun: { name: string; ids: string[] }[] = [];
  for (const name of await world.files.list(layout.swaps)) {
    const text = await world.files.readText(layout.swap(name));
    const ids: unknown = text === undefined ? [] : JSON.parse(text);
    if (Array.isArray(ids)) begun.push({ name, ids: ids.map(String) });
  }
  return begun;
}

function requestFor(
  { id, owner, kind, format, sizeBytes }: VolumeRecord,
  idBase: number | undefined,
): VolumeRequest {
  return {
    id,
    owner,
    kind,
    format: format === 'directory' ? 'raw' : format,
    ...(kind === 'Disk' ? { sizeBytes } : {}),
    ...(idBase === undefined ? {} : { idBase }),
  };
}
