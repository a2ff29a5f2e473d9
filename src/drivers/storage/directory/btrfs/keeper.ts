/** Snapshots of volumes as subvolumes in `snapshots/VOLUME/NAME`: the whole volume, its record included, at one moment. */

import type { VolumeRequest } from '../../contract.ts';
import { checkedName } from '../../names.ts';
import { diskSize, snapshotMissing } from '../../refusals.ts';
import { growDisk, makeDiskFromImage } from '../disks.ts';
import type { SnapshotKeeper } from '../ground.ts';
import { diskName, rootfsName } from '../layout.ts';
import { readVolumeRecord, type VolumeRecord, volumeRecordName } from '../records.ts';
import { type PoolRoom, renameIfThere } from '../room.ts';
import { canMapIds, shiftTree } from '../trees.ts';

/** The keeper of a Btrfs pool. */
export function createSubvolumeKeeper(room: PoolRoom): SnapshotKeeper {
  const { tools, layout } = room;
  const { files } = room.world;
  const shelf = (id: string) => `${layout.root}/snapshots/${checkedName(id)}`;
  const place = (id: string, name: string) => `${shelf(id)}/${checkedName(name)}`;
  return {
    list: ({ id }) => files.directories(shelf(id)),
    take: async ({ id }, name) => {
      await files.makeDirectory(shelf(id), { mode: 0o700 });
      await tools.run(['btrfs', 'subvolume', 'snapshot', layout.volume(id), place(id, name)]);
      await room.flush();
    },
    rollBack: async (id, name) => {
      if ((await files.stat(place(id, name))) === undefined) throw snapshotMissing(id, name);
      const fresh = room.partialPath(id);
      const old = room.partialPath(id);
      await tools.run(['btrfs', 'subvolume', 'snapshot', place(id, name), fresh]);
      await renameIfThere(files, layout.volume(id), old);
      await files.rename(fresh, layout.volume(id));
      await room.flush();
      await room.removeTree(old);
    },
    remove: async ({ id }, name) => {
      await room.removeTree(place(id, name));
      await room.flush();
    },
    place,
    forget: (id) => room.removeTree(shelf(id)),
    clone: async ({ volume, snapshot }, request, to) => {
      const source = place(volume.id, snapshot);
      const record = await readVolumeRecord(files, source);
      if (record === undefined) throw snapshotMissing(volume.id, snapshot);
      return record.format === 'directory'
        ? cloneTree(room, { source, record }, request, to)
        : cloneDisk(room, { source, record, format: record.format }, request, to);
    },
  };
}

type To = { made: string; signal: AbortSignal };

/** Blocks are shared where the format stays the same. */
async function cloneDisk(
  { tools }: PoolRoom,
  from: { source: string; record: VolumeRecord; format: 'raw' | 'qcow2' },
  { id, owner, format, sizeBytes: wanted }: VolumeRequest,
  { made, signal }: To,
): Promise<VolumeRecord> {
  const image = {
    path: `${from.source}/${diskName(from.format)}`,
    format: from.format,
    sizeBytes: from.record.sizeBytes,
  };
  const sizeBytes = diskSize(id, wanted, image.sizeBytes);
  const disk = { path: `${made}/${diskName(format)}`, format, sizeBytes };
  await makeDiskFromImage(tools, image, disk, signal);
  // A snapshot taken between the wish to grow and the growing says more than its file has.
  await growDisk(tools, disk, signal);
  return { id, owner, kind: 'Disk', format, sizeBytes, initialBytes: from.record.initialBytes };
}

/** The snapshot itself, writable: no file is copied. */
async function cloneTree(
  room: PoolRoom,
  { source, record }: { source: string; record: VolumeRecord },
  { id, owner, idBase }: VolumeRequest,
  { made, signal }: To,
): Promise<VolumeRecord> {
  const { tools, world } = room;
  await room.removeTree(made);
  await tools.run(['btrfs', 'subvolume', 'snapshot', source, made]);
  await world.files.remove(`${made}/${volumeRecordName}`);
  const root = `${made}/${rootfsName}`;
  const { shiftedBy = 0, ...rest } = record;
  const wanted = idBase === undefined || (await canMapIds(world.files, root)) ? 0 : idBase;
  if (wanted !== shiftedBy) {
    if (shiftedBy !== 0) await shiftTree(tools, world.files, root, -shiftedBy, signal);
    if (wanted !== 0) await shiftTree(tools, world.files, root, wanted, signal);
  }
  return { ...rest, id, owner, ...(wanted === 0 ? {} : { shiftedBy: wanted }) };
}
