/**
 * What a pool of directories lies on. Records, hidden places, images and copies are the same everywhere; how the directory of one volume
 * comes about, is snapshotted and goes is what differs.
 */
import type { World } from '../../../base/world.ts';
import type { PoolCapabilities, VolumeRequest, VolumeStream } from '../contract.ts';
import { createInsideKeeper } from './inside.ts';
import type { VolumeRecord } from './records.ts';
import type { PoolRoom } from './room.ts';
import type { Tools } from './tools.ts';

/** Keeps the snapshots of volumes; the caller holds the lock of the volume and has looked whether its format can be snapshotted. */
export type SnapshotKeeper = {
  list(volume: VolumeRecord): Promise<string[]>;
  take(volume: VolumeRecord, name: string): Promise<void>;
  /** Begun again after a crash at any line, the volume perhaps out of sight. */
  rollBack(id: string, name: string): Promise<void>;
  remove(volume: VolumeRecord, name: string): Promise<void>;
  /** The directory of a volume as it was, where it can be read; absent: what a snapshot holds has no place of its own. */
  place?(id: string, name: string): string;
  /** Removes what lies outside of a volume that is about to be removed. */
  forget(id: string): Promise<void>;
  /** Makes the data of a new volume from a snapshot; `made` is its hidden directory, empty. */
  clone(
    from: { volume: VolumeRecord; snapshot: string },
    request: VolumeRequest,
    to: { made: string; signal: AbortSignal },
  ): Promise<VolumeRecord>;
};

/** A whole volume as one stream. Command lines read standard input or write standard output. */
export type GroundStream = {
  /** As pools tell each other. */
  name: VolumeStream;
  /** False: something in the volume would be left out. */
  holdsAll(path: string): Promise<boolean>;
  /** Makes a view of the volume as it is now, which `removeTree` removes. */
  freeze(path: string, view: string): Promise<void>;
  send(view: string): readonly string[];
  /** Receives into the directory, which is empty, and cannot leave it. */
  receive(directory: string): readonly string[];
  /** Makes the directory of a volume, which is not there yet, from what was received. */
  take(received: string, path: string): Promise<void>;
};

export type Ground = {
  snapshots: PoolCapabilities['snapshots'];
  /** Throws ReasonedError when the directory does not lie on this ground. */
  check(path: string): Promise<void>;
  /** The empty directory of one volume; a crash may forget it. */
  makeVolume(path: string): Promise<void>;
  removeTree(path: string): Promise<void>;
  /** What was removed before is free again when it resolves, or takes its time; absent: it is so at once. */
  reclaim?(path: string): Promise<void>;
  /** Most that the directory of a volume may hold, bytes; absent: this ground knows no such limit. */
  limit?(path: string, sizeBytes: number | undefined): Promise<void>;
  /** Absent: volumes are sent file by file. */
  stream?: GroundStream;
  keeper(room: PoolRoom): SnapshotKeeper;
};

/** Plain directories of any file system: snapshots are what the formats of disks bring. */
export function plainGround(tools: Tools, { files }: World): Ground {
  return {
    snapshots: { qcow2: 'Inside' },
    check: async () => {},
    makeVolume: (path) => files.makeDirectory(path, { mode: 0o700, fleeting: true }),
    removeTree: async (path) => {
      if ((await files.stat(path)) !== undefined)
        await tools.run(['rm', '-rf', '--one-file-system', '--', path]);
    },
    keeper: createInsideKeeper,
  };
}
