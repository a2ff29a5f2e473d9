/** The refusals every storage driver gives in the same words: reasons are constants, messages say what to do. */
import { ReasonedError } from '../../base/outcome.ts';
import type { ArchivePart, ImageFacts, VolumeKind, VolumeOwner } from './contract.ts';

/** The volume belongs to another guest. */
export function ownedByOther(id: string, owner: VolumeOwner): ReasonedError {
  return new ReasonedError(
    'VolumeOwnedByOther',
    `the volume ${id} belongs to disk ${owner.disk} of ${owner.guest} (${owner.guestUuid}); choose another name or delete that guest`,
    { stalled: true },
  );
}

/** The error for a pool whose directory is not the one that was opened. */
export function poolMissing(name: string, path: string): ReasonedError {
  return new ReasonedError(
    'PoolMissing',
    `${path} does not hold the pool ${name} any more; mount its file system or restore its pool.json`,
    { stalled: true },
  );
}

/** Not stalled: space comes back when others delete. */
export function poolFull(pool: string, missingBytes: number): ReasonedError {
  return new ReasonedError(
    'PoolFull',
    `the pool ${pool} lacks ${Math.max(1, Math.ceil(missingBytes))} bytes; free or add space`,
  );
}

/** This host was cut off from the pool while nobody heard it. */
export function storageRevoked(pool: string, host: string): ReasonedError {
  return new ReasonedError(
    'StorageRevoked',
    `the pool ${pool} takes no writes of ${host}, which was given up while nobody heard it; restart ${host}`,
    { stalled: true },
  );
}

/** The pool has no image of that name. */
export function imageMissing(pool: string, image: string): ReasonedError {
  return new ReasonedError('ImageMissing', `the pool ${pool} holds no image ${image}`);
}

/** No volume of that id is there. */
export function volumeMissing(id: string): ReasonedError {
  return new ReasonedError('VolumeMissing', `there is no volume ${id}`);
}

/** The volume has no snapshot of that name. */
export function snapshotMissing(id: string, snapshot: string): ReasonedError {
  const message = `the volume ${id} has no snapshot ${snapshot}`;
  return new ReasonedError('SnapshotMissing', message, { stalled: true });
}

/** The pool cannot snapshot volumes of that format. */
export function snapshotUnsupported(id: string, format: string): ReasonedError {
  const message = `the volume ${id} is of the format ${format}, which this pool cannot snapshot; use a pool that can, such as one of type Btrfs`;
  return new ReasonedError('SnapshotUnsupported', message, { stalled: true });
}

/** A disk never shrinks: the guest's file system would lose its end. */
export function cannotShrink(id: string, sizeBytes: number, wantedBytes: number): ReasonedError {
  return new ReasonedError(
    'VolumeCannotShrink',
    `the volume ${id} has ${sizeBytes} bytes and cannot shrink to ${wantedBytes}; ask for at least its size`,
    { stalled: true },
  );
}

/** Only disks have a size of their own. */
export function resizeUnsupported(id: string): ReasonedError {
  return new ReasonedError('ResizeUnsupported', `the volume ${id} is a directory without a size limit`, {
    stalled: true,
  });
}

/** The size a disk gets: the wanted one, or the image's. Throws ReasonedError SizeTooSmall when the image does not fit or none is known. */
export function diskSize(
  id: string,
  wantedBytes: number | undefined,
  imageBytes: number | undefined,
): number {
  const sizeBytes = wantedBytes ?? imageBytes;
  if (sizeBytes === undefined || sizeBytes <= 0) {
    throw new ReasonedError('SizeTooSmall', `the volume ${id} needs a size`, { stalled: true });
  }
  if (imageBytes !== undefined && sizeBytes < imageBytes) {
    const message = `the volume ${id} is to have ${sizeBytes} bytes, its image has ${imageBytes}; ask for at least that`;
    throw new ReasonedError('SizeTooSmall', message, { stalled: true });
  }
  return sizeBytes;
}

/** Throws ReasonedError ImageBroken when the image cannot become a volume of this kind. */
export function checkImageKind(image: Pick<ImageFacts, 'name' | 'kind'>, kind: VolumeKind): void {
  if ((image.kind === 'Disk') === (kind === 'Disk')) return;
  const message = `the image ${image.name} is a ${image.kind} and cannot fill a ${kind}`;
  throw new ReasonedError('ImageBroken', message, { stalled: true });
}

/** Nothing was prepared for the volume under that name. */
export function replacementMissing(id: string, name: string): ReasonedError {
  const message = `nothing is prepared for the volume ${id} under ${name}`;
  return new ReasonedError('ReplacementMissing', message, { stalled: true });
}

/** Throws ReasonedError ArchiveBroken when the part cannot become a volume of this kind. */
export function checkArchivedKind(part: Pick<ArchivePart, 'name' | 'kind'>, kind: VolumeKind): void {
  if (part.kind === kind) return;
  const message = `${part.name} in the archive is a ${part.kind} and cannot fill a ${kind}`;
  throw new ReasonedError('ArchiveBroken', message, { stalled: true });
}

/** A disk that its guest still writes to cannot be copied: what comes would be of no moment in its life. */
export function copiedOnce(id: string): ReasonedError {
  const message = `the disk ${id} is copied in one pass, when its guest is off: nothing can be copied before`;
  return new ReasonedError('GuestNotOff', message);
}
