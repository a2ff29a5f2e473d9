/** Part of the contract of storage pools: what makes volumes other than they are, snapshots that they are rolled back to and data that takes the place of theirs. */
import type { ArchivedVolume, Follower, VolumeAttachment } from './contract.ts';

/**
 * Asked when all has been read, right before the first change: storage may have kept its reader waiting for longer than the guest was its
 * host's. When it rejects nothing has changed, and that is what is thrown.
 */
type Permission = () => Promise<void>;

/**
 * Snapshots of single volumes. Names are the caller's, unique per volume; those of one volume do not depend on each other: any may be
 * removed. All go with their volume.
 */
export type VolumeSnapshots = {
  /** Names of a volume's snapshots, in order; [] when the volume is not there. */
  list(id: string): Promise<string[]>;
  /** On disk when it resolves; there already is no error. Throws ReasonedError SnapshotUnsupported, VolumeMissing, PoolFull. */
  take(id: string, name: string): Promise<void>;
  /**
   * These volumes of one guest become what they were, their sizes included, all or none, whatever dies and whoever uses the pool next; nobody has them
   * open. Throws ReasonedError SnapshotMissing.
   */
  rollBack(ids: readonly string[], name: string, permitted?: Permission): Promise<void>;
  /** Nothing there is no error. */
  remove(id: string, name: string): Promise<void>;
  /** Where one that is kept in the pool can be read. Throws ReasonedError SnapshotMissing, SnapshotUnsupported. */
  attach(id: string, name: string): Promise<VolumeAttachment>;
};

/** What a volume is to hold instead of what it holds. */
export type Replacement = {
  /** The volume. */
  id: string;
  /** The caller's, unique: what was prepared under it is told from what others prepare. */
  name: string;
  /** As in a request for a new volume. */
  idBase?: number;
  /** Finds the part of an archive; called only when it has still to be read. */
  open(signal: AbortSignal): Promise<ArchivedVolume>;
  /** Told while it is made. */
  follow?: Follower;
};

/**
 * Other data in the place of a volume's, in two steps, so that all volumes of a guest change together: made hidden beside them, while the
 * guest may run, then moved to their places. Owner, size and format stay the volume's.
 */
export type VolumeReplacements = {
  /** Whole and flushed when it resolves; there already is no error. Throws ReasonedError VolumeMissing, SizeTooSmall, PoolFull, ArchiveBroken. */
  prepare(replacement: Replacement, signal: AbortSignal): Promise<void>;
  /**
   * These volumes hold what was prepared for them, all or none, whatever dies and whoever uses the pool next; nobody has them open. Done
   * already is no error. Snapshots inside the old data go with it. Throws ReasonedError ReplacementMissing.
   */
  swap(ids: readonly string[], name: string, permitted?: Permission): Promise<void>;
  /** Removes what was prepared; nothing there is no error. */
  discard(id: string, name: string): Promise<void>;
};
