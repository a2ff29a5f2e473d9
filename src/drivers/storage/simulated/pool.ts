/**
 * A storage pool that exists in one state file: for simulated hosts and fast tests. Volumes have sizes and owners but no data; latency and
 * faults can be set. It keeps the same promises as a real pool, under the same suite.
 */
import type { World } from '../../../base/world.ts';
import { imageBroken } from '../../image/inspect.ts';
import { readSimulatedImage } from '../../image/simulated.ts';
import type {
  ImageFacts,
  PoolCapabilities,
  SimulatedPoolConfig,
  StoragePool,
  VolumeAttachment,
  VolumeFacts,
  VolumeRequest,
} from '../contract.ts';
import { createKeyedLock } from '../locks.ts';
import { checkedName } from '../names.ts';
import {
  cannotShrink,
  checkImageKind,
  diskSize,
  imageMissing,
  ownedByOther,
  poolFull,
  poolMissing,
  resizeUnsupported,
  snapshotMissing,
  volumeMissing,
} from '../refusals.ts';
import { createSimulatedArchives } from './archives.ts';
import { receiveSimulated, sendSimulated } from './copying.ts';
import { createSimulatedReplacements, planRestored } from './replacing.ts';
import { createSimulatedRevocations } from './revoking.ts';
import { openPoolState, type PoolState } from './state.ts';

export type SimulatedPoolFaults = {
  /** Nothing more fits, whatever the sizes say. */
  full?: boolean;
  /** Its place is empty: nothing is mounted there. */
  missing?: boolean;
  /** Names of images that turn out to be broken when they are published. */
  brokenImages?: readonly string[];
};

export type SimulatedPoolOptions = {
  world: World;
  config: SimulatedPoolConfig;
  /** Time each change takes; default 2 ms. */
  latencyMs?: number;
  /** Read at each call, so that a test can turn faults on and off. */
  faults?: () => SimulatedPoolFaults;
};

const capabilities: PoolCapabilities = {
  formats: ['raw', 'qcow2'],
  kinds: ['Disk', 'Filesystem'],
  resize: true,
  snapshots: { raw: 'Pool', qcow2: 'Pool', directory: 'Pool' },
  clone: true,
  thin: true,
};

/** Opens the pool; its state is what an earlier one left at the same path. */
export async function createSimulatedPool(options: SimulatedPoolOptions): Promise<StoragePool> {
  const { world, config, latencyMs = 2, faults = (): SimulatedPoolFaults => ({}) } = options;
  const state = await openPoolState(world, config.path);
  const lock = createKeyedLock();
  const stage = (name: string) => `${config.path}/.staging/${checkedName(name)}`;
  const { name: pool, path, sharedBy: host } = config;
  const sharing =
    host === undefined ? undefined : createSimulatedRevocations({ files: world.files, path, pool, host });
  await world.files.removeTree(`${config.path}/.staging`);

  const change = async (
    apply: () => void,
    signal?: AbortSignal,
    permitted?: () => Promise<unknown>,
  ): Promise<void> => {
    await world.clock.sleep(latencyMs, signal);
    await permitted?.();
    await sharing?.checkMayWrite();
    apply();
    await state.save();
  };
  const needed = (id: string): VolumeFacts => {
    const found = state.volumes.get(id);
    if (found === undefined) throw volumeMissing(id);
    return found;
  };
  const checkSpace = (bytes: number): void => {
    const missingBytes = bytes + usedBytes(state) - config.totalBytes;
    if (faults().full === true || missingBytes > 0) throw poolFull(config.name, missingBytes);
  };

  return {
    capabilities,
    facts: async () => ({
      ...(faults().missing === true
        ? { healthy: false, reason: 'PoolMissing', message: 'nothing is mounted there' }
        : { healthy: true }),
      totalBytes: config.totalBytes,
      usedBytes: usedBytes(state),
      allocatedBytes: [...state.volumes.values()].reduce((sum, volume) => sum + volume.sizeBytes, 0),
    }),
    list: async () => [...state.volumes.values()],
    observe: async (id) => state.volumes.get(id),
    create: (request, signal, permitted) =>
      lock(request.id, async () => {
        const existing = state.volumes.get(checkedName(request.id));
        if (existing === undefined) {
          const volume = planVolume(state, config.name, request);
          checkSpace(volume.usedBytes);
          request.follow?.({ doneBytes: 1, totalBytes: 2 });
          await permitted;
          await change(() => state.volumes.set(volume.id, volume), signal);
          return volume;
        }
        if (existing.owner.guestUuid !== request.owner.guestUuid)
          throw ownedByOther(request.id, existing.owner);
        return existing;
      }),
    resize: (id, sizeBytes) =>
      lock(id, async () => {
        const volume = needed(id);
        if (volume.format === 'directory') throw resizeUnsupported(id);
        if (sizeBytes < volume.sizeBytes) throw cannotShrink(id, volume.sizeBytes, sizeBytes);
        if (sizeBytes > volume.sizeBytes) await change(() => state.volumes.set(id, { ...volume, sizeBytes }));
      }),
    attach: async (id) => attachment(config.path, needed(id)),
    limit: async (id) => void needed(id),
    remove: (id, owner) =>
      lock(id, async () => {
        const volume = state.volumes.get(id);
        if (volume === undefined) return;
        if (volume.owner.guestUuid !== owner.guestUuid) throw ownedByOther(id, volume.owner);
        await change(() => {
          state.volumes.delete(id);
          state.snapshots.delete(id);
          state.replacedBy.delete(id);
          for (const key of state.prepared.keys()) if (key.startsWith(`${id}/`)) state.prepared.delete(key);
        });
      }),
    snapshots: {
      list: async (id) => [...snapshotsOf(state, id).keys()].sort(),
      take: (id, name) =>
        lock(id, async () => {
          const volume = needed(id);
          if (snapshotsOf(state, id).has(checkedName(name))) return;
          checkSpace(0);
          await change(() => state.snapshots.set(id, new Map(snapshotsOf(state, id)).set(name, volume)));
        }),
      rollBack: async (ids, name, permitted) => {
        const then = ids.map((id) => {
          needed(id);
          const found = snapshotsOf(state, id).get(name);
          if (found === undefined) throw snapshotMissing(id, name);
          return found;
        });
        const apply = () => {
          for (const volume of then) state.volumes.set(volume.id, volume);
        };
        await change(apply, undefined, permitted);
      },
      remove: (id, name) =>
        lock(id, async () => {
          const left = new Map(snapshotsOf(state, id));
          if (left.delete(name)) await change(() => state.snapshots.set(id, left));
        }),
      attach: async (id, name) => {
        const then = snapshotsOf(state, id).get(name);
        if (then === undefined) throw snapshotMissing(id, name);
        return attachment(`${config.path}/snapshots/${name}`, then);
      },
    },
    archives: createSimulatedArchives({
      world,
      path: config.path,
      latencyMs,
      checkSpace: () => checkSpace(0),
      checkPresent: () => {
        if (faults().missing === true) throw poolMissing(config.name, config.path);
      },
    }),
    ...(sharing === undefined ? {} : { revocations: sharing.revocations }),
    replacements: createSimulatedReplacements({ state, lock, change, checkSpace }),
    exportVolume: async (id, stream, options) => sendSimulated(needed(id), stream, options, world.clock),
    importVolume: (request, stream, options) =>
      lock(request.id, () =>
        receiveSimulated(request, stream, options, {
          clock: world.clock,
          look: (bytes) => {
            const existing = state.volumes.get(checkedName(request.id));
            if (existing === undefined) checkSpace(bytes);
            else if (existing.owner.guestUuid !== request.owner.guestUuid)
              throw ownedByOther(request.id, existing.owner);
            return existing !== undefined;
          },
          keep: (volume) => change(() => state.volumes.set(volume.id, volume), options.signal),
        }),
      ),
    images: {
      list: async () => [...state.images.values()],
      stage: async (name) => {
        await world.files.removeTree(stage(name));
        await world.files.makeDirectory(stage(name));
        return stage(name);
      },
      publish: async (image) => {
        if (faults().brokenImages?.includes(image.name))
          throw imageBroken(`the image ${image.name} is damaged`);
        const content = await readSimulatedImage(world.files, image.file);
        checkSpace(content.usedBytes);
        const facts: ImageFacts = {
          ...content,
          name: image.name,
          kind: image.kind,
          sourceHash: image.sourceHash,
        };
        await change(() => state.images.set(checkedName(image.name), facts));
        await world.files.removeTree(stage(image.name));
        return facts;
      },
      remove: async (name) => {
        if (state.images.has(name)) await change(() => state.images.delete(name));
      },
    },
  };
}

function usedBytes(state: PoolState): number {
  const parts = [...state.volumes.values(), ...state.images.values()];
  return parts.reduce((sum, part) => sum + part.usedBytes, 0);
}

function snapshotsOf(state: PoolState, id: string): ReadonlyMap<string, VolumeFacts> {
  return state.snapshots.get(id) ?? new Map();
}

function planVolume(state: PoolState, pool: string, request: VolumeRequest): VolumeFacts {
  if (request.archived !== undefined) return planRestored(request, request.archived);
  if (request.from !== undefined) return planClone(state, request, request.from);
  const image = request.image === undefined ? undefined : state.images.get(request.image);
  if (request.image !== undefined && image === undefined) throw imageMissing(pool, request.image);
  if (image !== undefined) checkImageKind(image, request.kind);
  const { id, kind, owner } = request;
  const used = image?.usedBytes ?? 0;
  return kind === 'Disk'
    ? {
        id,
        kind,
        owner,
        format: request.format,
        sizeBytes: diskSize(id, request.sizeBytes, image?.virtualSizeBytes),
        usedBytes: used,
      }
    : { id, kind, owner, format: 'directory', sizeBytes: 0, usedBytes: used };
}

function planClone(
  state: PoolState,
  { id, owner, kind, format, sizeBytes }: VolumeRequest,
  { volume, snapshot }: NonNullable<VolumeRequest['from']>,
): VolumeFacts {
  if (!state.volumes.has(volume)) throw volumeMissing(volume);
  const then = snapshotsOf(state, volume).get(snapshot);
  if (then === undefined) throw snapshotMissing(volume, snapshot);
  checkImageKind({ name: snapshot, kind: then.kind === 'Disk' ? 'Disk' : 'ContainerRootfs' }, kind);
  return kind === 'Disk'
    ? { ...then, id, owner, format, sizeBytes: diskSize(id, sizeBytes, then.sizeBytes) }
    : { ...then, id, owner };
}

function attachment(path: string, volume: VolumeFacts): VolumeAttachment {
  return volume.format === 'directory'
    ? { type: 'Directory', path: `${path}/volumes/${volume.id}/rootfs`, shift: 'Idmapped' }
    : { type: 'File', path: `${path}/volumes/${volume.id}/disk.${volume.format}`, format: volume.format };
}
