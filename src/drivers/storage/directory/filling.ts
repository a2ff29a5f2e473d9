/** Makes the data of a new volume in a hidden directory: blank, a whole copy of an image, or what a snapshot of another volume holds. */
import type { ArchivedVolume, Follower, VolumeRequest } from '../contract.ts';
import { checkArchivedKind, checkImageKind, diskSize, snapshotMissing, volumeMissing } from '../refusals.ts';
import type { Capacity } from './capacity.ts';
import { growDisk, makeDiskFromImage, measureArchivedDisk, restoreDisk } from './disks.ts';
import { flushWhile } from './flushing.ts';
import type { SnapshotKeeper } from './ground.ts';
import type { Images } from './images.ts';
import { diskName, rootfsName } from './layout.ts';
import { readVolumeRecord, type VolumeRecord, volumeRecordName, writeRecord } from './records.ts';
import type { PoolRoom } from './room.ts';
import { canMapIds, copyTree, shiftTree, unpackArchived } from './trees.ts';

/** A blank volume's own blocks. */
const blankBytes = 1024 * 1024;

/** What data of volumes is made from. */
export type Sources = { room: PoolRoom; images: Images; capacity: Capacity; keeper: SnapshotKeeper };

/** The hidden directory, and who is told how much of an archive is in it by now. */
type Place = { made: string; signal: AbortSignal; follow?: Follower };

/** Makes the data in the hidden directory; answers with the record that belongs to it. */
export async function fillVolume(
  { room, images, capacity, keeper }: Sources,
  request: VolumeRequest,
  to: Place,
): Promise<VolumeRecord> {
  const { id, owner } = request;
  if (request.from !== undefined)
    return fillFromSnapshot({ room, capacity, keeper }, request, request.from, to);
  if (request.archived !== undefined)
    return restoreChecked({ room, capacity }, request, request.archived, to);
  if (request.image === undefined) {
    return capacity.reserve({ bytes: blankBytes }, () => fillBlank(room, request, to));
  }
  return images.reading(request.image, async (image, directory) => {
    checkImageKind(image, request.kind);
    return capacity.reserve({ bytes: image.usedBytes, place: to.made }, async () => {
      if (image.format === 'raw' || image.format === 'qcow2') {
        const sizeBytes = diskSize(id, request.sizeBytes, image.virtualSizeBytes);
        const source = {
          path: `${directory}/${diskName(image.format)}`,
          format: image.format,
          sizeBytes: image.virtualSizeBytes,
        };
        const disk = { path: `${to.made}/${diskName(request.format)}`, format: request.format, sizeBytes };
        await makeDiskFromImage(room.tools, source, disk, to.signal);
        return { id, owner, kind: 'Disk', format: request.format, sizeBytes, initialBytes: image.usedBytes };
      }
      const record = await ownTree(room, request, to, (root) =>
        copyTree(room.tools, `${directory}/${rootfsName}`, root, to.signal),
      );
      return { ...record, initialBytes: image.usedBytes };
    });
  });
}

/** A disk is one file; a tree is flushed with everything else that is being made, its record too. */
export async function flushVolume(room: PoolRoom, made: string, result: VolumeRecord): Promise<void> {
  const { files } = room.world;
  const path = `${made}/${volumeRecordName}`;
  if (result.format === 'directory') {
    await writeRecord(files, path, result, { fleeting: true });
    await room.flush();
  } else
    await Promise.all([writeRecord(files, path, result), files.sync(`${made}/${diskName(result.format)}`)]);
}

/** The part is read once by the tool that unpacks it and, at the same time, by the one that takes its sum: what was made counts when both are content. */
async function restoreChecked(
  sources: Pick<Sources, 'room' | 'capacity'>,
  request: VolumeRequest,
  archived: ArchivedVolume,
  { signal, ...to }: Place,
): Promise<VolumeRecord> {
  const broken = new AbortController();
  const [check, record] = await Promise.allSettled([
    archived.check(signal).catch((error: unknown) => {
      broken.abort(error);
      throw error;
    }),
    restore(sources, request, archived, { ...to, signal: AbortSignal.any([signal, broken.signal]) }),
  ]);
  if (check.status === 'rejected') throw check.reason;
  if (record.status === 'rejected') throw record.reason;
  return record.value;
}

/** What the tools make of an archive is judged anew: whoever could write the archive could write its sums. */
async function restore(
  { room, capacity }: Pick<Sources, 'room' | 'capacity'>,
  request: VolumeRequest,
  { path, bases = [], part }: ArchivedVolume,
  to: Place,
): Promise<VolumeRecord> {
  const { id, owner, format, kind } = request;
  const { signal, follow } = to;
  checkArchivedKind(part, kind);
  if (kind === 'Disk') {
    diskSize(id, request.sizeBytes, part.sizeBytes);
    const found = await measureArchivedDisk(room.tools, [path, ...bases], to.signal);
    const sizeBytes = diskSize(id, request.sizeBytes, found.sizeBytes);
    return capacity.reserve({ bytes: found.unpackedBytes, place: to.made }, async () => {
      const disk = { path: `${to.made}/${diskName(format)}`, format, sizeBytes };
      await flushWhile(room.world, disk.path, () =>
        restoreDisk(room.tools, [path, ...bases], disk, { signal, follow, totalBytes: found.sizeBytes }),
      );
      if (sizeBytes > found.sizeBytes) await growDisk(room.tools, disk, to.signal);
      return { id, owner, kind: 'Disk', format, sizeBytes, initialBytes: part.storedBytes };
    });
  }
  // An archive that does not say how much it unpacks to takes at least what it has.
  const bytes = Math.max(part.storedBytes, part.unpackedBytes ?? 0);
  return capacity.reserve({ bytes, place: to.made }, async () => {
    const record = await ownTree(room, request, to, async (root) => {
      await room.world.files.makeDirectory(root, { mode: 0o755 });
      await unpackArchived(room.tools, path, root, { signal, follow, totalBytes: bytes });
    });
    return { ...record, initialBytes: part.storedBytes };
  });
}

async function fillFromSnapshot(
  { room, capacity, keeper }: Omit<Sources, 'images'>,
  request: VolumeRequest,
  { volume: id, snapshot }: NonNullable<VolumeRequest['from']>,
  to: { made: string; signal: AbortSignal },
): Promise<VolumeRecord> {
  const look = () => readVolumeRecord(room.world.files, room.layout.volume(id));
  // Before its lock is waited for: two volumes that are to be made from each other must not wait for ever.
  if ((await look()) === undefined) throw volumeMissing(id);
  return room.lock(id, async () => {
    const volume = await look();
    if (volume === undefined) throw volumeMissing(id);
    checkImageKind(
      { name: snapshot, kind: volume.kind === 'Disk' ? 'Disk' : 'ContainerRootfs' },
      request.kind,
    );
    const isKept = room.ground.snapshots[volume.format] !== undefined;
    if (!isKept || !(await keeper.list(volume)).includes(snapshot)) throw snapshotMissing(id, snapshot);
    return capacity.reserve({ bytes: blankBytes }, () => keeper.clone({ volume, snapshot }, request, to));
  });
}

async function fillBlank(
  room: PoolRoom,
  request: VolumeRequest,
  to: { made: string; signal: AbortSignal },
): Promise<VolumeRecord> {
  const { id, owner, format } = request;
  if (request.kind === 'Disk') {
    const sizeBytes = diskSize(id, request.sizeBytes, undefined);
    await room.makeBlankDisk({ path: `${to.made}/${diskName(format)}`, format, sizeBytes }, to.signal);
    return { id, owner, kind: 'Disk', format, sizeBytes, initialBytes: 0 };
  }
  return ownTree(room, request, to, (root) => room.world.files.makeDirectory(root, { mode: 0o755 }));
}

/** Has a tree made; leaves its ids as they are where they can be mapped at mount, else shifts them for good and records by how much. */
async function ownTree(
  room: PoolRoom,
  { id, owner, idBase }: VolumeRequest,
  { made, signal }: { made: string; signal: AbortSignal },
  make: (root: string) => Promise<void>,
): Promise<VolumeRecord> {
  const root = `${made}/${rootfsName}`;
  const record: VolumeRecord = {
    id,
    owner,
    kind: 'Filesystem',
    format: 'directory',
    sizeBytes: 0,
    initialBytes: 0,
  };
  const [isMapped] = await Promise.all([
    idBase === undefined || canMapIds(room.world.files, made),
    make(root),
  ]);
  if (idBase === undefined || isMapped) return record;
  await shiftTree(room.tools, room.world.files, root, idBase, signal);
  return { ...record, shiftedBy: idBase };
}
