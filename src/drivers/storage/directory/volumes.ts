/** The volumes of a directory pool: made in a hidden place and shown by one rename, taken away by one rename and then removed. */
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../../base/outcome.ts';
import type { CopyOptions, VolumeAttachment, VolumeFacts, VolumeRequest } from '../contract.ts';
import { createLimiter } from '../locks.ts';
import { cannotShrink, ownedByOther, resizeUnsupported, volumeMissing } from '../refusals.ts';
import type { Capacity } from './capacity.ts';
import { growDisk, virtualSize } from './disks.ts';
import { fillVolume, flushVolume } from './filling.ts';
import type { SnapshotKeeper } from './ground.ts';
import type { Images } from './images.ts';
import { diskName, rootfsName } from './layout.ts';
import { receiveVolume, removeArrival } from './receiving.ts';
import {
  attachmentAt,
  readVolumeRecord,
  type VolumeRecord,
  volumeRecordName,
  writeRecord,
} from './records.ts';
import { finishRollback } from './rollbacks.ts';
import { type PoolRoom, renameIfThere } from './room.ts';
import { sendVolume } from './sending.ts';

/** More copies at once only take each other's disk time. */
const copiesAtOnce = 4;

export type Volumes = {
  record(id: string): Promise<VolumeRecord | undefined>;
  /** All volumes that can be used, and what is wrong with the others. */
  records(): Promise<{ volumes: VolumeRecord[]; damaged: string[] }>;
  create(request: VolumeRequest, signal: AbortSignal, permitted?: Promise<unknown>): Promise<VolumeRecord>;
  resize(id: string, sizeBytes: number, options: { running: boolean }): Promise<void>;
  limit(id: string, sizeBytes: number | undefined): Promise<void>;
  attach(id: string): Promise<VolumeAttachment>;
  remove(id: string, owner: { guestUuid: string }): Promise<void>;
  send(id: string, stream: Duplex, options: CopyOptions): Promise<void>;
  receive(request: VolumeRequest, stream: Duplex, options: CopyOptions): Promise<void>;
};

/** The volumes of one pool. */
export function createVolumes(
  room: PoolRoom,
  images: Images,
  capacity: Capacity,
  keeper: SnapshotKeeper,
): Volumes {
  const { files } = room.world;
  const limit = createLimiter(copiesAtOnce);
  const record = (id: string) => readVolumeRecord(files, room.layout.volume(id));
  const needed = async (id: string): Promise<VolumeRecord> => {
    const found = await record(id);
    if (found === undefined) throw volumeMissing(id);
    return found;
  };

  /** A directory takes the place of none but an empty one: of two hosts that make the same volume, one is first. */
  const show = async (
    { id, owner }: VolumeRequest,
    made: string,
    result: VolumeRecord,
  ): Promise<VolumeRecord> => {
    try {
      await files.rename(made, room.layout.volume(id));
      return result;
    } catch (error) {
      const existing = await record(id);
      if (existing === undefined) throw error;
      if (existing.owner.guestUuid !== owner.guestUuid) throw ownedByOther(id, existing.owner);
      return existing;
    }
  };

  const make = async (
    request: VolumeRequest,
    signal: AbortSignal,
    permitted?: Promise<unknown>,
  ): Promise<VolumeRecord> => {
    const made = room.partialPath(request.id);
    try {
      const result = await limit(async () => {
        await room.ground.makeVolume(made);
        const to = { made, signal, ...(request.follow === undefined ? {} : { follow: request.follow }) };
        const filled = await fillVolume({ room, images, capacity, keeper }, request, to);
        await flushVolume(room, made, filled);
        return filled;
      });
      await permitted;
      signal.throwIfAborted();
      return await show(request, made, result);
    } finally {
      await room.removeTree(made);
    }
  };

  const attach: Volumes['attach'] = (id) =>
    room.lock(id, async () => {
      await finishRollback(room, keeper, id);
      const volume = await needed(id);
      if (volume.growing === true) await finishGrowing(room, volume);
      return attachment(room, volume);
    });

  return {
    record,
    records: async () => {
      const found = await Promise.allSettled((await files.list(room.layout.volumes)).map(record));
      const volumes = found.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
      const damaged = found.map((result) =>
        result.status === 'rejected' ? String(result.reason.message) : '',
      );
      return {
        volumes: volumes.filter((volume) => volume !== undefined),
        damaged: damaged.filter((text) => text !== ''),
      };
    },
    create: (request, signal, permitted) =>
      room.lock(request.id, async () => {
        await room.checkPresent();
        await finishRollback(room, keeper, request.id);
        const existing = await record(request.id);
        if (existing === undefined) return make(request, signal, permitted);
        if (existing.owner.guestUuid !== request.owner.guestUuid)
          throw ownedByOther(request.id, existing.owner);
        return existing;
      }),
    resize: (id, sizeBytes, { running }) =>
      room.lock(id, async () => {
        await finishRollback(room, keeper, id);
        const volume = await needed(id);
        if (volume.format === 'directory') throw resizeUnsupported(id);
        if (sizeBytes < volume.sizeBytes) throw cannotShrink(id, volume.sizeBytes, sizeBytes);
        if (sizeBytes === volume.sizeBytes && volume.growing !== true) return;
        const growing = { ...volume, sizeBytes, growing: true };
        await save(room, growing);
        // A qcow2 that QEMU has open is grown by QEMU itself; attaching it again looks whether that has happened.
        if (!running || volume.format === 'raw') await finishGrowing(room, growing);
      }),
    attach,
    limit: (id, sizeBytes) =>
      room.lock(id, async () => {
        await finishRollback(room, keeper, id);
        await needed(id);
        await room.ground.limit?.(room.layout.volume(id), sizeBytes);
      }),
    send: async (id, stream, options) => {
      // Looks whether it is there and has its size; its guest may run meanwhile, so no lock is kept.
      await attach(id);
      await sendVolume(room, await needed(id), stream, options);
    },
    receive: (request, stream, options) =>
      room.lock(request.id, async () => {
        await room.checkPresent();
        await receiveVolume(room, capacity, request, stream, options);
      }),
    remove: (id, owner) =>
      room.lock(id, async () => {
        await room.checkPresent();
        await finishRollback(room, keeper, id);
        const volume = await record(id);
        await removeArrival(room, id, owner);
        if (volume === undefined) return;
        if (volume.owner.guestUuid !== owner.guestUuid) throw ownedByOther(id, volume.owner);
        await keeper.forget(id);
        const away = room.partialPath(id);
        // Another host may have taken it away between.
        if (await renameIfThere(files, room.layout.volume(id), away)) await room.removeTree(away);
      }),
  };
}

/** Makes the file as large as the record says, unless its guest has done so or has it open; then it is looked at again. */
async function finishGrowing(room: PoolRoom, volume: VolumeRecord): Promise<void> {
  if (volume.format === 'directory') return;
  const disk = {
    path: diskPath(room, volume, volume.format),
    format: volume.format,
    sizeBytes: volume.sizeBytes,
  };
  if ((await virtualSize(room.tools, room.world.files, disk)) < volume.sizeBytes) {
    try {
      await growDisk(room.tools, disk);
    } catch (error) {
      if (error instanceof ReasonedError && /Failed to get "write" lock/.test(error.message)) return;
      throw error;
    }
  }
  const { growing: _, ...grown } = volume;
  await save(room, grown);
}

function save(room: PoolRoom, volume: VolumeRecord): Promise<void> {
  return writeRecord(room.world.files, `${room.layout.volume(volume.id)}/${volumeRecordName}`, volume);
}

function diskPath(room: PoolRoom, volume: VolumeRecord, format: 'raw' | 'qcow2'): string {
  return `${room.layout.volume(volume.id)}/${diskName(format)}`;
}

/** Where a volume's data is. */
export function dataPath(room: PoolRoom, volume: VolumeRecord): string {
  return volume.format === 'directory'
    ? `${room.layout.volume(volume.id)}/${rootfsName}`
    : diskPath(room, volume, volume.format);
}

async function attachment(room: PoolRoom, volume: VolumeRecord): Promise<VolumeAttachment> {
  const path = dataPath(room, volume);
  if ((await room.world.files.stat(path)) === undefined) {
    const message = `the data of the volume ${volume.id} is not at ${path}; restore it from a backup`;
    throw new ReasonedError('VolumeDamaged', message, { stalled: true });
  }
  return attachmentAt(path, volume);
}

/** What others may know of a volume. */
export function factsOf(volume: VolumeRecord, usedBytes: number): VolumeFacts {
  const { id, kind, format, owner, sizeBytes } = volume;
  return { id, kind, format, owner, sizeBytes, usedBytes };
}
