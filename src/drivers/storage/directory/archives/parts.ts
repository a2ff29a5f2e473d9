/** Writes one volume into an archive: a disk as a qcow2 file, a tree as a tar, both readable by the tools that everybody has. */
import { ReasonedError } from '../../../../base/outcome.ts';
import type { ArchivePart, Compression, Follower, VolumeAttachment } from '../../contract.ts';
import { archiveBroken } from '../../manifest.ts';
import { measureArchivedDisk, qcow2Options, qemuImg } from '../disks.ts';
import { dotsOfWriter, RECORD_BLOCKS, runDotted, runWithPercent } from '../following.ts';
import { type Tools, wholeVolumeMs } from '../tools.ts';

export type Tree = Extract<VolumeAttachment, { type: 'Directory' }>;
type Disk = Extract<VolumeAttachment, { type: 'File' }>;

/** How a volume is saved; `bytesPerSecond`: most that is read of it. */
export type Pace = { compression: Compression; bytesPerSecond: number | undefined; signal: AbortSignal };

/** Who is told how far it is, and of how much, as far as that is known by then. */
export type Watch = { follow: Follower | undefined; totalBytes(): number | undefined };

/** The format a tree gets, which is the end of its file name too. */
export function treeFormat(compression: Compression): ArchivePart['format'] {
  switch (compression) {
    case 'None':
      return 'tar';
    case 'Gzip':
      return 'tar.gz';
    case 'Zstd':
      return 'tar.zst';
  }
}

/** The format is always named: a probed raw disk could pretend to be a qcow2 that reads files of the host. */
export async function saveDisk(
  tools: Tools,
  { path, format }: Disk,
  to: string,
  { compression, bytesPerSecond, signal }: Pace,
  watch: Watch,
): Promise<void> {
  const rate = bytesPerSecond === undefined ? [] : ['-r', String(bytesPerSecond)];
  const compress = compression === 'None' ? [] : ['-c', ...qcow2Options(compression, true)];
  const argv = ['convert', '-p', '-f', format, '-O', 'qcow2', ...rate, ...compress, path, to];
  await runWithPercent(tools, [...qemuImg, ...argv], { signal, ...watch });
}

/** Puts a tree that nobody writes to into a tar. `maps`: where lists of its owners may be written. */
export async function saveTree(
  tools: Tools,
  tree: Tree,
  { file, maps }: { file: string; maps: string },
  pace: Pace,
  watch: Watch,
): Promise<void> {
  const argv = [
    ...(await treeArguments(tools, tree, maps, pace)),
    ...['--file', file, '--directory', tree.path, '.'],
  ];
  await runDotted(tools, argv, dotsOfWriter(pace.bytesPerSecond), { signal: pace.signal, ...watch });
}

/**
 * How a tree is packed: with numeric owners as the guest sees them, access lists, extended attributes (file capabilities are among them) and
 * holes. Sockets are left out: their servers make them again. tar(1).
 */
export async function treeArguments(
  tools: Tools,
  tree: Tree,
  maps: string,
  { compression, bytesPerSecond, signal }: Pace,
): Promise<string[]> {
  // One processor beside tar's: a second one takes from the guests, and where there are but two it made all slower by a ninth.
  const packers = { None: [], Gzip: ['--gzip'], Zstd: ['--zstd'] };
  return [
    ...['tar', '--create', '--format=posix', '--numeric-owner', '--sparse', '--acls', '--xattrs'],
    ...['--xattrs-include=*', '--one-file-system', '--warning=no-file-ignored'],
    ...packers[compression],
    `--blocking-factor=${RECORD_BLOCKS}`,
    ...dotsOfWriter(bytesPerSecond).argv,
    ...(await ownersAsInside(tools, tree, maps, signal)),
  ];
}

/** Owners that are shifted on disk are written as the container sees them. Its ids are 0 to 65535 wherever they lie. */
async function ownersAsInside(
  tools: Tools,
  { path, shift }: Tree,
  maps: string,
  signal: AbortSignal,
): Promise<string[]> {
  if (shift === 'Idmapped') return [];
  const by = shift.shiftedBy;
  const found = await tools.run(['find', path, '-xdev', '-printf', '%U %G\\n'], { signal });
  const pairs = [...new Set(found.stdout.split('\n').filter((line) => line !== ''))];
  const map = async (which: 0 | 1, file: string) => {
    const ids = [...new Set(pairs.map((pair) => Number(pair.split(' ')[which])))];
    const outside = ids.find((id) => id < by);
    if (outside !== undefined)
      throw new ReasonedError(
        'IdRangeInvalid',
        `a file in ${path} belongs to ${outside}, which is no id of the guest`,
      );
    const text = ids.map((id) => `+${id} +${id - by}\n`).join('');
    await tools.run(['tee', '--', file], { input: text, signal });
  };
  await map(0, `${maps}.owners`);
  await map(1, `${maps}.groups`);
  return [`--owner-map=${maps}.owners`, `--group-map=${maps}.groups`];
}

/** Lets the tool that would restore a part read its structure. Throws ReasonedError ArchiveBroken. */
export async function checkReadable(
  tools: Tools,
  { name, paths }: { name: string; paths: readonly [string, ...string[]] },
  { kind, file }: Pick<ArchivePart, 'kind' | 'file'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (kind === 'Disk') await measureArchivedDisk(tools, paths, signal);
    else
      await tools.run(
        ['tar', '--list', '--ignore-zeros', '--verbose', '--index-file=/dev/null', '--file', paths[0]],
        {
          signal,
          timeoutMs: wholeVolumeMs,
        },
      );
  } catch (error) {
    if (!(error instanceof ReasonedError) || error.reason !== 'StorageFailed') throw error;
    throw archiveBroken(name, `the part ${file} cannot be read: ${error.message}`);
  }
}

/**
 * SHA-256 of a file, hexadecimal, by a program of its own: gigabytes are not read on the thread that looks after guests. OpenSSL knows the
 * instructions that processors have for it, and is several times as fast as sha256sum where it is there.
 */
export async function sumOf(tools: Tools, path: string, signal: AbortSignal): Promise<string> {
  try {
    const { stdout } = await tools.run(['openssl', 'dgst', '-sha256', '-r', path], {
      signal,
      timeoutMs: wholeVolumeMs,
    });
    if (/^[0-9a-f]{64} /.test(stdout)) return stdout.slice(0, 64);
  } catch (error) {
    if (!(error instanceof ReasonedError)) throw error;
  }
  const { stdout } = await tools.run(['sha256sum', '--binary', '--', path], {
    signal,
    timeoutMs: wholeVolumeMs,
  });
  return stdout.replace(/^\\/, '').slice(0, 64);
}
