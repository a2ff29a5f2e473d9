/** The state file of a simulated pool: read once, written as a whole after each change, with changes made meanwhile in one write. */
import type { World } from '../../../base/world.ts';
import type { ImageFacts, VolumeFacts } from '../contract.ts';
import { createGroupRun } from '../locks.ts';

export type PoolState = {
  volumes: Map<string, VolumeFacts>;
  images: Map<string, ImageFacts>;
  /** By volume and name: what the volume was. */
  snapshots: Map<string, ReadonlyMap<string, VolumeFacts>>;
  /** By volume and name: what the volume is to be. */
  prepared: Map<string, VolumeFacts>;
  /** By volume: name of the replacement by which its data came. */
  replacedBy: Map<string, string>;
  /** Resolves when everything changed so far is durable. */
  save(): Promise<void>;
};

type Stored = {
  volumes: VolumeFacts[];
  images: ImageFacts[];
  snapshots?: Record<string, Record<string, VolumeFacts>>;
  prepared?: Record<string, VolumeFacts>;
  replacedBy?: Record<string, string>;
};

/** Opens the state below `path`; a missing file is an empty pool. */
export async function openPoolState(world: World, path: string): Promise<PoolState> {
  const file = `${path}/pool.json`;
  await world.files.makeDirectory(path);
  const text = await world.files.readText(file);
  const stored = text === undefined ? undefined : (JSON.parse(text) as Stored);
  const volumes = new Map((stored?.volumes ?? []).map((volume) => [volume.id, volume]));
  const images = new Map((stored?.images ?? []).map((image) => [image.name, image]));
  const snapshots: PoolState['snapshots'] = new Map(
    Object.entries(stored?.snapshots ?? {}).map(([id, taken]) => [id, new Map(Object.entries(taken))]),
  );
  const prepared = new Map(Object.entries(stored?.prepared ?? {}));
  const replacedBy = new Map(Object.entries(stored?.replacedBy ?? {}));
  const save = createGroupRun(() => {
    const taken = [...snapshots].map(([id, kept]) => [id, Object.fromEntries(kept)]);
    const content: Stored = {
      volumes: [...volumes.values()],
      images: [...images.values()],
      snapshots: Object.fromEntries(taken),
      prepared: Object.fromEntries(prepared),
      replacedBy: Object.fromEntries(replacedBy),
    };
    return world.files.writeAtomic(file, JSON.stringify(content));
  });
  return { volumes, images, snapshots, prepared, replacedBy, save };
}
