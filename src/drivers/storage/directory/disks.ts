/** Makes and grows disk files with qemu-img. Nothing here decides; the pool has checked owner, size and space. */
import type { Files } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { Compression, Follower } from '../contract.ts';
import { runWithPercent } from './following.ts';
import type { Tools } from './tools.ts';

export type DiskFormat = 'raw' | 'qcow2';

type BlankDisk = {
  path: string;
  format: DiskFormat;
  sizeBytes: number;
  compression?: Compression;
  holdsAll?: boolean;
};

/**
 * Makes a sparse empty disk; whoever asked for it flushes it. `compression`: what clusters of a qcow2 file will be compressed by; `holdsAll`: all
 * of a disk, and not what changed here and there.
 */
export type MakeBlankDisk = (disk: BlankDisk, signal?: AbortSignal) => Promise<void>;

/**
 * Each cluster is compressed, written and read back by itself: with four times the usual size of 64 KiB a whole disk is copied, and restored, in
 * half the time. What changed here and there is copied by whole clusters, so for that they stay small.
 */
const wholeClusterBytes = 256 * 1024;

/**
 * How `qemu-img` is started that reads or writes clusters of that size: malloc would take each buffer from the kernel and give it back, and pages that are
 * new to a process cost more than what is done with them (mallopt(3)).
 */
export const qemuImg: readonly string[] = [
  'env',
  `MALLOC_MMAP_THRESHOLD_=${16 * 1024 * 1024}`,
  `MALLOC_TRIM_THRESHOLD_=${256 * 1024 * 1024}`,
  'qemu-img',
];

/** Options of qemu-img for a qcow2 file whose clusters are, or will be, compressed; zlib is what it does without being told. */
export function qcow2Options(compression: Compression | undefined, holdsAll: boolean): string[] {
  if (compression === undefined || compression === 'None') return [];
  const options = [
    ...(compression === 'Zstd' ? ['compression_type=zstd'] : []),
    ...(holdsAll ? [`cluster_size=${wholeClusterBytes}`] : []),
  ];
  return options.length === 0 ? [] : ['-o', options.join(',')];
}

/** Empty qcow2 files of as many sizes are kept, and only small ones: an empty one has three clusters and some more. */
const BLANKS = 32;
const BLANK_BYTES = 512 * 1024;

/** Empty qcow2 files of one size and compression are equal: qemu-img makes the first, and its bytes the others without starting a program. */
export function createBlankDisks(
  files: Pick<Files, 'readBytes' | 'stat' | 'writeAtomic'>,
  tools: Pick<Tools, 'run'>,
): MakeBlankDisk {
  const blanks = new Map<string, Uint8Array>();
  const keep = async (key: string, path: string): Promise<void> => {
    if (((await files.stat(path))?.sizeBytes ?? 0) > BLANK_BYTES) return;
    const bytes = await files.readBytes(path);
    if (bytes === undefined) return;
    const oldest = blanks.size < BLANKS ? undefined : blanks.keys().next().value;
    if (oldest !== undefined) blanks.delete(oldest);
    blanks.set(key, bytes);
  };
  return async (disk, signal) => {
    const size = String(disk.sizeBytes);
    const until = signal === undefined ? {} : { signal };
    if (disk.format === 'raw') {
      await tools.run(['truncate', '-s', size, disk.path], until);
      return;
    }
    const options = qcow2Options(disk.compression, disk.holdsAll === true);
    const key = [size, ...options].join(' ');
    const blank = blanks.get(key);
    if (blank !== undefined) return files.writeAtomic(disk.path, blank, { fleeting: true });
    await tools.run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...options, disk.path, size], until);
    await keep(key, disk.path);
  };
}

/**
 * A whole copy of an image, grown to the wanted size. Blocks are shared where the file system can; the format is always named, because a
 * probed raw disk could pretend to be a qcow2 that reads files of the host.
 */
export async function makeDiskFromImage(
  tools: Tools,
  image: { path: string; format: DiskFormat; sizeBytes: number },
  disk: { path: string; format: DiskFormat; sizeBytes: number },
  signal: AbortSignal,
): Promise<void> {
  const argv =
    image.format === disk.format
      ? ['cp', '--reflink=auto', '--sparse=always', '--', image.path, disk.path]
      : ['qemu-img', 'convert', '-q', '-f', image.format, '-O', disk.format, image.path, disk.path];
  await tools.run(argv, { signal });
  if (disk.sizeBytes > image.sizeBytes) await growDisk(tools, disk, signal);
}

/** Grows the file of a disk that no guest has open; a size it has already is no error. A bitmap that its machine could not write out at its end stands in the way. */
export async function growDisk(
  tools: Tools,
  disk: { path: string; format: DiskFormat; sizeBytes: number },
  signal?: AbortSignal,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  if (disk.format === 'raw') {
    await tools.run(['truncate', '-s', `>${disk.sizeBytes}`, disk.path], options);
    return;
  }
  const argv = ['qemu-img', 'resize', '-q', '-f', 'qcow2', disk.path, String(disk.sizeBytes)];
  await tools.run(argv, options).catch(async (error: unknown) => {
    if (!(await forgetChanges(tools, disk.path))) throw error;
    await tools.run(argv, options);
  });
}

/**
 * Removes the bitmaps in a qcow2 file that no guest has open, which say what changed since a backup: the next backup is of the whole disk.
 * False: there are none.
 */
export async function forgetChanges(tools: Tools, path: string): Promise<boolean> {
  const { stdout } = await tools.run(['qemu-img', 'info', '--output=json', '-f', 'qcow2', path]);
  const info = JSON.parse(stdout) as { 'format-specific'?: { data?: { bitmaps?: { name: string }[] } } };
  const bitmaps = info['format-specific']?.data?.bitmaps ?? [];
  for (const { name } of bitmaps)
    await tools.run(['qemu-img', 'bitmap', '--remove', '-f', 'qcow2', path, name]);
  return bitmaps.length > 0;
}

/** The size a guest sees, read although the disk may be open in one. */
export async function virtualSize(
  tools: Tools,
  files: Files,
  disk: { path: string; format: DiskFormat },
): Promise<number> {
  if (disk.format === 'raw') return (await files.stat(disk.path))?.sizeBytes ?? 0;
  const result = await tools.run(['qemu-img', 'info', '-U', '--output=json', '-f', 'qcow2', disk.path]);
  const info: unknown = JSON.parse(result.stdout);
  const size = typeof info === 'object' && info !== null && 'virtual-size' in info ? info['virtual-size'] : 0;
  return typeof size === 'number' ? size : 0;
}

/** The qcow2 files in archives that a disk is made of, newest first: each holds what changed since the next, and none names another. */
export type ArchivedFiles = readonly [string, ...string[]];

/**
 * Looks at the qcow2 files of an archived disk: the size a guest sees, and the bytes that it takes when it is unpacked. Throws ReasonedError
 * ArchiveBroken when one refers to another file: a guest would read files of the host.
 */
export async function measureArchivedDisk(
  tools: Tools,
  from: ArchivedFiles,
  signal: AbortSignal,
): Promise<{ sizeBytes: number; unpackedBytes: number }> {
  const sizes = await Promise.all(from.map((path) => archivedSize(tools, path, signal)));
  // What is not zero, and the tables of qcow2: a raw disk has holes where those would be (qemu-img(1), "measure").
  const measured = await tools.run(
    ['qemu-img', 'measure', '--output=json', '-O', 'qcow2', ...archivedSource(from)],
    { signal },
  );
  const { required } = JSON.parse(measured.stdout) as { required: number };
  return { sizeBytes: sizes[0] ?? 0, unpackedBytes: required };
}

async function archivedSize(tools: Tools, path: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await tools.run(['qemu-img', 'info', '--output=json', '-f', 'qcow2', path], { signal });
  const info = JSON.parse(stdout) as {
    'virtual-size': number;
    'backing-filename'?: string;
    'format-specific'?: { data?: { 'data-file'?: string } };
  };
  if (info['backing-filename'] === undefined && info['format-specific']?.data?.['data-file'] === undefined)
    return info['virtual-size'];
  throw new ReasonedError('ArchiveBroken', 'a disk in the archive refers to another file', {
    stalled: true,
  });
}

/** How programs of QEMU are told of it (qemu-block-drivers(7), "json:"). */
function archivedSource([path, ...bases]: ArchivedFiles): string[] {
  if (bases.length === 0) return ['-f', 'qcow2', path];
  const node = [path, ...bases].reduceRight<object | null>(
    (backing, filename) => ({ driver: 'qcow2', file: { driver: 'file', filename }, backing }),
    null,
  );
  return [`json:${JSON.stringify(node)}`];
}

/** Unpacks the qcow2 files of an archived disk that `measureArchivedDisk` has looked at. */
export async function restoreDisk(
  tools: Tools,
  from: ArchivedFiles,
  disk: { path: string; format: DiskFormat },
  { signal, follow, totalBytes }: { signal: AbortSignal; follow: Follower | undefined; totalBytes: number },
): Promise<void> {
  const argv = ['convert', '-p', '-O', disk.format, ...archivedSource(from), disk.path];
  await runWithPercent(tools, [...qemuImg, ...argv], { signal, follow, totalBytes: () => totalBytes });
}
