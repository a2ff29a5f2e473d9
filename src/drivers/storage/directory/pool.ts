/** A storage pool in a directory of this host: sparse disk files and container root directories. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { Admission } from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';
import type {
  BtrfsPoolConfig,
  DirectoryPoolConfig,
  PoolCapabilities,
  PoolFacts,
  StoragePool,
  VolumeFacts,
} from '../contract.ts';
import { createArchives } from './archives/archives.ts';
import { createCapacity } from './capacity.ts';
import { type Ground, plainGround } from './ground.ts';
import { createImages } from './images.ts';
import type { VolumeRecord } from './records.ts';
import { createReplacements } from './replacing.ts';
import { finishRollbacks } from './rollbacks.ts';
import { openRoom, type PoolRoom } from './room.ts';
import { createSnapshots } from './snapshots.ts';
import type { Tools } from './tools.ts';
import { measureTrees } from './trees.ts';
import { createVolumes, dataPath, factsOf, type Volumes } from './volumes.ts';

/** How long the measured size of a container's tree is good enough to show. */
const measurementLastsMs = 300_000;

const capabilities: Omit<PoolCapabilities, 'snapshots'> = {
  formats: ['raw', 'qcow2'],
  kinds: ['Disk', 'Filesystem'],
  resize: true,
  clone: true,
  thin: true,
};

/**
 * Opens the pool, making the directory when it is missing and removing what a crash left half-done. Throws ReasonedError PoolInUse when
 * the directory belongs to a pool of another name, or is shared by hosts and opened as if it were not. One program of a host may have it open.
 */
export function openDirectoryPool({
  config,
  ...options
}: PoolOptions<DirectoryPoolConfig>): Promise<StoragePool> {
  return openPool(options, config, plainGround);
}

/** `admission`: of the programs that work on volumes; all may start when absent. */
export type PoolOptions<Config> = { world: World; config: Config; admission?: Admission };

/** Opens a pool of directories on any ground, as `openDirectoryPool` says. */
export async function openPool(
  { world, admission }: Pick<PoolOptions<never>, 'world' | 'admission'>,
  config: DirectoryPoolConfig | BtrfsPoolConfig,
  makeGround: (tools: Tools, world: World) => Ground,
): Promise<StoragePool> {
  const room = await openRoom(world, config, makeGround, admission);
  const { snapshots, stream } = room.ground;
  const keeper = room.ground.keeper(room);
  await finishRollbacks(room, keeper);
  const capacity = createCapacity(room);
  const images = createImages(room);
  const volumes = createVolumes(room, images, capacity, keeper);
  const usage = createUsage(room);

  return {
    capabilities: {
      ...capabilities,
      snapshots,
      ...(room.isShared ? { shared: true } : {}),
      ...(stream === undefined ? {} : { streams: [stream.name] }),
    },
    facts: async () => {
      const { totalBytes, usedBytes } = await capacity.space().catch(() => ({ totalBytes: 0, usedBytes: 0 }));
      return { ...(await health(room, volumes)), totalBytes, usedBytes };
    },
    list: async () => {
      const { volumes: records } = await volumes.records();
      await usage.refresh(records);
      return Promise.all(records.map((volume) => usage.facts(volume)));
    },
    observe: async (id) => {
      const volume = await volumes.record(id);
      return volume === undefined ? undefined : usage.facts(volume);
    },
    create: async (request, signal, permitted) => {
      try {
        return await usage.facts(await volumes.create(request, signal, permitted));
      } finally {
        await request.archived?.dispose?.();
      }
    },
    resize: volumes.resize,
    attach: volumes.attach,
    ...(room.ground.limit === undefined ? {} : { limit: volumes.limit }),
    remove: async (id, owner) => {
      await volumes.remove(id, owner);
      await room.removeTree(room.layout.preparedFor(id));
    },
    snapshots: createSnapshots(room, keeper),
    archives: createArchives(room, capacity, config),
    replacements: createReplacements({ room, images, capacity, keeper }),
    images,
    // On shared storage they are on all hosts already.
    ...(room.isShared ? {} : { exportVolume: volumes.send, importVolume: volumes.receive }),
  };
}

type Health = Pick<PoolFacts, 'healthy' | 'reason' | 'message' | 'allocatedBytes'>;

/** A damaged volume is said but leaves the pool usable for the others. */
async function health(room: PoolRoom, volumes: Volumes): Promise<Health> {
  try {
    await room.checkPresent();
    const { volumes: records, damaged } = await volumes.records();
    const allocatedBytes = records.reduce((sum, volume) => sum + volume.sizeBytes, 0);
    const problem = damaged[0] === undefined ? {} : { reason: 'VolumeDamaged', message: damaged[0] };
    return { healthy: true, ...problem, allocatedBytes };
  } catch (error) {
    const reason = error instanceof ReasonedError ? error.reason : 'PoolUnreadable';
    const message = error instanceof Error ? error.message : String(error);
    return { healthy: false, reason, message, allocatedBytes: 0 };
  }
}

/** How much volumes use: a disk's blocks are read each time, trees are measured together and now and then. */
function createUsage(room: PoolRoom) {
  const measured = new Map<string, { bytes: number; atMs: number }>();
  return {
    refresh: async (records: readonly VolumeRecord[]): Promise<void> => {
      const now = room.world.clock.monotonic();
      const present = new Set(records.map((volume) => volume.id));
      for (const id of measured.keys()) if (!present.has(id)) measured.delete(id);
      const stale = records.filter((volume) => {
        const last = measured.get(volume.id);
        return volume.kind === 'Filesystem' && (last === undefined || now - last.atMs > measurementLastsMs);
      });
      // A container that removes files while du walks makes du fail: the old number stays.
      const sizes = await measureTrees(
        room.tools,
        stale.map((volume) => dataPath(room, volume)),
      ).catch(() => undefined);
      for (const volume of stale) {
        const bytes = sizes?.get(dataPath(room, volume));
        if (bytes !== undefined) measured.set(volume.id, { bytes, atMs: now });
      }
    },
    facts: async (volume: VolumeRecord): Promise<VolumeFacts> => {
      if (volume.kind === 'Filesystem')
        return factsOf(volume, measured.get(volume.id)?.bytes ?? volume.initialBytes);
      const stat = await room.world.files.stat(dataPath(room, volume));
      return factsOf(volume, stat?.usedBytes ?? 0);
    },
  };
}
