/** The state file of a simulated pool: read once, written as a whole after each change, with changes made meanwhile in one write. */
import type { World } from '../../../base/world.ts';
import type { ImageFacts, VolumeFacts } from '../contract.ts';
import { createGroupRun } from '../locks.ts';

export type PoolState = {
  volumes: Map<string, VolumeFacts>;
  images: Map<string, ImageFacts>;
  /** Resolves when everything changed so far is durable. */
  save(): Promise<void>;
};

/** Opens the state below `path`; a missing file is an empty pool. */
export async function openPoolState(world: World, path: string): Promise<PoolState> {
  const file = `${path}/pool.json`;
  await world.files.makeDirectory(path);
  const text = await world.files.readText(file);
  const stored =
    text === undefined ? undefined : (JSON.parse(text) as { volumes: VolumeFacts[]; images: ImageFacts[] });
  const volumes = new Map((stored?.volumes ?? []).map((volume) => [volume.id, volume]));
  const images = new Map((stored?.images ?? []).map((image) => [image.name, image]));
  const save = createGroupRun(() =>
    world.files.writeAtomic(
      file,
      JSON.stringify({ volumes: [...volumes.values()], images: [...images.values()] }),
    ),
  );
  return { volumes, images, save };
}
