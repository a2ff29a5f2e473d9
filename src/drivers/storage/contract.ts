/**
 * What a storage pool driver is. One object serves one pool on one host. Volumes know their owner; a half-made volume or image is
 * never visible; every method may be repeated after a crash.
 */
import type { Duplex } from 'node:stream';
import type { VolumeReplacements, VolumeSnapshots } from './changes.ts';
import type { AgeKey } from './configs.ts';
import type { Revocations } from './revocations.ts';

export type { Replacement, VolumeReplacements, VolumeSnapshots } from './changes.ts';
export type { AgeKey, BtrfsPoolConfig, DirectoryPoolConfig, SimulatedPoolConfig } from './configs.ts';
export type { HostBoot, Revocations } from './revocations.ts';

export type VolumeKind = 'Disk' | 'Filesystem';

/** Who a volume belongs to: never taken or removed for another. */
export type VolumeOwner = { guestUuid: string; guest: string; disk: string };

export type VolumeFacts = {
  /** `<guest id>-<disk name>`. */
  id: string;
  kind: VolumeKind;
  format: 'raw' | 'qcow2' | 'directory';
  owner: VolumeOwner;
  /** Size the guest sees; 0 for a Filesystem without a limit. */
  sizeBytes: number;
  /** Bytes really used in the pool. */
  usedBytes: number;
};

/** How a hypervisor reaches a volume. `shift`: container ids lie as 0-65535 and are mapped at mount, or are already shifted by idBase. */
export type VolumeAttachment =
  | { type: 'File'; path: string; format: 'raw' | 'qcow2' }
  | { type: 'Directory'; path: string; shift: 'Idmapped' | { shiftedBy: number } };

export type PoolFacts = {
  healthy: boolean;
  reason?: string;
  message?: string;
  totalBytes: number;
  usedBytes: number;
  /** Sum of the sizes promised to volumes. */
  allocatedBytes: number;
};

/** A way to send whole volumes that both pools of a copy must know. BtrfsSend: btrfs-send(8). */
export type VolumeStream = 'BtrfsSend';

export type PoolCapabilities = {
  formats: readonly ('raw' | 'qcow2')[];
  kinds: readonly VolumeKind[];
  resize: boolean;
  /**
   * The formats of volumes that can be snapshotted, and where it is kept. Pool: beside the volume, also while a guest that stands still has
   * it open. Inside: in the disk's own file; while a guest has it open only its hypervisor can take or remove one.
   */
  snapshots: Readonly<Partial<Record<VolumeFacts['format'], 'Pool' | 'Inside'>>>;
  /** Volumes can be made from a snapshot of another. */
  clone: boolean;
  thin: boolean;
  /** One and the same storage on all hosts that have the pool: volumes are there already when a guest moves. */
  shared?: boolean;
  /** How volumes go to another host in one piece, where its pool knows one of these too; file by file else, and when absent. */
  streams?: readonly VolumeStream[];
};

export type ImageFacts = {
  name: string;
  kind: 'Disk' | 'ContainerRootfs';
  format: 'raw' | 'qcow2' | 'tar' | 'directory';
  virtualSizeBytes: number;
  usedBytes: number;
  /** `sha256:<hex>` of the stored file. */
  checksum: string;
  /** What it was made from: a changed source makes it again. */
  sourceHash: string;
};

export type VolumeRequest = {
  id: string;
  owner: VolumeOwner;
  kind: VolumeKind;
  format: 'raw' | 'qcow2';
  /** Disk: required. */
  sizeBytes?: number;
  /** Absent: blank. The image must be of the volume's kind and in this pool. */
  image?: string;
  /** Instead of an image: a snapshot of another volume of this pool and of the same kind. */
  from?: { volume: string; snapshot: string };
  /** Instead of an image: a part of an archive, as `archives.open` gave it. */
  archived?: ArchivedVolume;
  /** Told how much of `archived` is in it by now. */
  follow?: Follower;
  /** Filesystem for an unprivileged container: first host id, where shifting on disk is needed. */
  idBase?: number;
};

/** One pass of copying a volume from host to host. */
export type CopyOptions = { pass: 'First' | 'Final'; signal: AbortSignal; bytesPerSecond?: number };

/** How the parts of an archive are compressed: disks inside their qcow2 file (Gzip is its zlib), trees around their tar. */
export type Compression = 'None' | 'Gzip' | 'Zstd';

/** One volume in an archive: a file of the archive's directory. */
export type ArchivePart = {
  /** Name of the disk, or rootfs. */
  name: string;
  kind: VolumeKind;
  /** File name. */
  file: string;
  format: 'qcow2' | 'tar' | 'tar.gz' | 'tar.zst';
  /** Size the guest saw; 0 for a Filesystem. */
  sizeBytes: number;
  /** Bytes of the file. */
  storedBytes: number;
  /** Bytes a Filesystem took when it was saved. */
  unpackedBytes?: number;
  /** SHA-256 of the file, hexadecimal. */
  sha256: string;
  /** Disk: the file holds only what changed since the part of this name in that archive, which is needed to read it. */
  base?: string;
  /** SHA-256 of that part's file. */
  baseSha256?: string;
  /** Disk: what was found of the bitmap that says what changed. */
  bitmap?: DiskBitmap;
};

/**
 * What became of the bitmap of a disk. Used: only what it marks was copied. New: there was none to use. Invalid: it was lost half-way, as when its
 * machine died. Recreated: it is not there any more. Of all but Used the whole disk was copied; all begin anew with the archive.
 */
export type DiskBitmap = 'New' | 'Used' | 'Invalid' | 'Recreated';

/** A part of an archive to make a volume from; paths are absolute. `dispose`: it was decrypted for this. */
export type ArchivedVolume = {
  path: string;
  /** Of a disk that was archived by its changes: the files these are to be laid over, newest first. */
  bases?: readonly string[];
  part: ArchivePart;
  /** Reads all of it and what it is based on and compares the sums: what is made of it meanwhile is not shown before. Throws ReasonedError ArchiveBroken. */
  check(signal: AbortSignal): Promise<void>;
  dispose?(): Promise<void>;
};

/** What is written down beside the parts. Times are RFC 3339. */
export type ArchiveAbout = {
  guest: { kind: string; namespace: string; name: string; uid: string; uuid: string };
  /** The guest's labels and its spec as they were. */
  labels: Readonly<Record<string, string>>;
  spec: unknown;
  /** By which version of Vireo it was written, and of which version of the API the spec is; earlier ones did not say so. */
  versions?: { vireo: string; spec?: string };
  takenAt: string;
  mode: 'Snapshot' | 'Suspend' | 'Stop';
  consistency: 'Crash' | 'Filesystem';
  /** How long the guest stood still for it. */
  stillMilliseconds: number;
  compression: Compression;
};

/** `manifest.json` of an archive. Version 2: it needs others, which readers of version 1 would not know. */
export type ArchiveManifest = ArchiveAbout & {
  version: 1 | 2;
  /** All archives that it cannot be read without, nearest first. */
  needs?: readonly string[];
  finishedAt: string;
  /** Absent: its parts are plain. */
  encryption?: { format: 'age'; recipient: string };
  parts: readonly ArchivePart[];
};

/** A whole archive that another may be based on. */
export type ArchiveBase = { name: string; manifest: ArchiveManifest };

/** Told now and then how much of a volume has been read or written, of about how much: the total is an estimate. */
export type Follower = (far: { doneBytes: number; totalBytes: number }) => void;

/** A volume to be put into an archive, where what is to be read of it lies, and how fast it may be read; as fast as can be when absent. */
export type ArchiveSource = {
  name: string;
  attachment: VolumeAttachment;
  bytesPerSecond?: number;
  follow?: Follower;
};

/** Fills archives, which nobody sees before they are whole and flushed. Of one archive one thing at a time is asked. What is half-made goes when the pool is opened. */
export type ArchiveFilling = {
  /**
   * Begins one, empty, to be encrypted if so; what an earlier attempt left is removed. Answers with those of `bases` that its disks may be based
   * on: whole, and encrypted alike. All of `bases` stay until it is finished or removed. Idle: what fills it gives way to all others that use the
   * disk, but for what is done while a guest stands still. Throws ReasonedError KeyMissing.
   */
  begin(
    name: string,
    options?: { encryption?: 'Age'; bases?: readonly string[]; ioPriority?: 'Idle' },
  ): Promise<readonly ArchiveBase[]>;
  /**
   * An empty qcow2 file in it that a hypervisor fills while its guest runs; gives its path. `holdsAll`: with the whole disk, not what changed of it;
   * a whole one fits into either. Throws ReasonedError PoolFull.
   */
  target(
    name: string,
    disk: { name: string; sizeBytes: number; compression: Compression; holdsAll: boolean },
  ): Promise<string>;
  /** Says what the file of a disk holds: all of it, or what changed since the same disk in the archive `base`. */
  holds(name: string, disk: string, what: { bitmap: DiskBitmap; base?: string }): void;
  /** Packs a tree into it that still changes; false: that cannot be done, it is to be gathered. Throws ReasonedError PoolFull. */
  pack(name: string, tree: ArchiveSource, compression: Compression, signal: AbortSignal): Promise<boolean>;
  /** Packs what has changed since `pack`, while nobody writes; true: `save` puts both together. False: it is to be gathered, something has gone meanwhile. */
  packRest(
    name: string,
    tree: ArchiveSource,
    compression: Compression,
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Copies a tree that may still change beside it, for `save`; again: only what has changed since. */
  gather(name: string, tree: ArchiveSource, signal: AbortSignal): Promise<void>;
  /** Puts a volume into it that nobody writes to, or what was packed or gathered of it. Throws ReasonedError PoolFull. */
  save(name: string, volume: ArchiveSource, compression: Compression, signal: AbortSignal): Promise<void>;
  /** Takes sums, flushes everything, and shows it. Throws ReasonedError PoolFull, ArchiveBaseMissing. */
  finish(name: string, about: ArchiveAbout, signal: AbortSignal): Promise<ArchiveManifest>;
};

export type ArchiveSending = { signal: AbortSignal; bytesPerSecond?: number };

/** `key`: what the pool it comes from names, if that names one. `follow`: told how much has come. */
export type ArchiveReceiving = { signal: AbortSignal; key?: AgeKey['told']; follow?: Follower };

/** Archives of guests: a plain directory each, seen under its name only once it is whole. Names are the caller's, unique. */
export type Archives = {
  readonly filling: ArchiveFilling;
  /** Names of all that are there, damaged ones too, in order. */
  list(): Promise<string[]>;
  /** Undefined when there is no whole one. Throws ReasonedError ArchiveTooNew, ArchiveBroken. */
  read(name: string): Promise<ArchiveManifest | undefined>;
  /** Finds one volume in it, and what that is based on, and decrypts them; comparing is its `check`. Throws as `verify` does, ArchiveMissing also when it has no such volume. */
  open(name: string, volume: string, signal: AbortSignal): Promise<ArchivedVolume>;
  /**
   * Sends what one volume in it is made of, and what that is based on, to `receive` of another host's pool, as it lies there: what is encrypted stays
   * so on the way. The stream is the caller's to open and close. Throws as `open` does, and with the other side's reasons.
   */
  send(name: string, volume: string, stream: Duplex, options: ArchiveSending): Promise<void>;
  /**
   * Receives it into a hidden place of this pool, each part compared with its sum as it arrives, and finds the volume in it as `open` does; what has come
   * goes with `dispose`. Throws ReasonedError PoolFull, ArchiveBroken, PeerHungUp, and with the other side's reasons.
   */
  receive(name: string, volume: string, stream: Duplex, options: ArchiveReceiving): Promise<ArchivedVolume>;
  /** Reads all of it and what it is based on, compares, and lets the tools that would restore it look at it. Throws ReasonedError ArchiveMissing, ArchiveBaseMissing, ArchiveTooNew, ArchiveBroken, KeyMissing, KeyWrong. */
  verify(name: string, signal: AbortSignal): Promise<ArchiveManifest>;
  /** Removes it, whole or not; nothing there is no error. Throws ReasonedError ArchiveNeeded while others are based on it. */
  remove(name: string): Promise<void>;
};

/** Images that volumes of one pool are made from. */
export type PoolImages = {
  list(): Promise<ImageFacts[]>;
  /** A directory inside the pool (same file system) for making one image; emptied at start-up. */
  stage(name: string): Promise<string>;
  /** Checks what was made in the staging directory, records and publishes it atomically under its name. */
  publish(image: {
    name: string;
    kind: ImageFacts['kind'];
    sourceHash: string;
    /** File or directory inside the staging directory. */
    file: string;
  }): Promise<ImageFacts>;
  remove(name: string): Promise<void>;
};

export type StoragePool = {
  readonly capabilities: PoolCapabilities;
  facts(): Promise<PoolFacts>;
  list(): Promise<VolumeFacts[]>;
  observe(id: string): Promise<VolumeFacts | undefined>;
  /**
   * Makes the volume unless it exists with this owner. Throws ReasonedError: VolumeOwnedByOther, PoolFull (with the bytes that are missing),
   * ImageMissing, ImageBroken, SnapshotMissing, SizeTooSmall. `permitted` is awaited before the volume is shown: its data can be made, hidden, while its
   * guest is still being written down; when it rejects nothing is left and that is what is thrown.
   */
  create(request: VolumeRequest, signal: AbortSignal, permitted?: Promise<unknown>): Promise<VolumeFacts>;
  /** Grows; smaller throws ReasonedError VolumeCannotShrink (stalled). The guest is told by its hypervisor. `running`: the volume is open in a guest. */
  resize(id: string, sizeBytes: number, options: { running: boolean }): Promise<void>;
  attach(id: string): Promise<VolumeAttachment>;
  /**
   * From now on a tree holds at most so many bytes; undefined: as many as fit. A guest may run in it; what a rollback or a copy has made is to be
   * limited anew. Absent: trees of this pool cannot be limited. Throws ReasonedError VolumeMissing.
   */
  limit?(id: string, sizeBytes: number | undefined): Promise<void>;
  /** Removes it with its snapshots. Nothing there is no error; another owner throws VolumeOwnedByOther. */
  remove(id: string, owner: { guestUuid: string }): Promise<void>;
  readonly snapshots: VolumeSnapshots;
  readonly archives: Archives;
  readonly replacements: VolumeReplacements;
  /** Absent: nobody can be kept from writing to this storage. */
  readonly revocations?: Revocations;
  /**
   * Sends what a volume holds to `importVolume` of the same volume on another host, over a stream that the caller has opened and closes.
   * First: the guest may still write (Filesystem only); Final: nobody writes any more. Absent: this storage cannot be moved.
   */
  exportVolume?(id: string, stream: Duplex, options: CopyOptions): Promise<void>;
  /**
   * Receives a volume: seen under its id, whole and flushed, when Final resolves, and not before. May be repeated after a crash at any line.
   * Throws ReasonedError VolumeOwnedByOther, PoolFull, and when the other end hangs up.
   */
  importVolume?(request: VolumeRequest, stream: Duplex, options: CopyOptions): Promise<void>;
  readonly images: PoolImages;
};
