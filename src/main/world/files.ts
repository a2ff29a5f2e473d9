/** The file system behind the Files port. What is written for keeps is fsynced together with the directory that names it. */
import { constants, lstatSync, readdirSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileStat, Files } from '../../base/files.ts';
import type { Random } from '../../base/random.ts';

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** ESRCH is what files of an ended process in /proc answer to a read. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ESRCH']);

/**
 * Control groups and processes are told of from the kernel's memory in microseconds: handing such a question to a thread costs ten times the
 * answer, and there are a hundred of them in the start of one container. What they are told is written as elsewhere, because that may wait;
 * so may what lies in a process's own memory (proc_pid_cmdline(5), proc_pid_environ(5)).
 */
const isKernels = (path: string): boolean =>
  path.startsWith('/sys/fs/cgroup/') || (path.startsWith('/proc/') && !/\/(cmdline|environ)$/.test(path));

/** Files are made with their mode at once unless this takes bits away. Asked before there are threads: the answer is got by changing it. */
const UMASK = process.umask();

const isMasked = (mode: number | undefined): mode is number => mode !== undefined && (mode & UMASK) !== 0;

async function unlessAbsent<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (ABSENT.has(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** File systems of the kernel (cgroup, proc) have nothing to sync and say so. */
const UNSYNCABLE = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS']);

async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (!UNSYNCABLE.has(codeOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/** A stale one after a crash is recognised by its dot and its ending; it is never read. */
function temporaryBeside(path: string, random: Random): string {
  const suffix = Buffer.from(random.bytes(6)).toString('hex');
  return join(dirname(path), `.${basename(path).slice(0, 200)}.${suffix}.tmp`);
}

type WriteOptions = NonNullable<Parameters<Files['writeAtomic']>[2]>;

async function writeNew(
  path: string,
  data: string | Uint8Array,
  { mode, fleeting }: WriteOptions,
): Promise<void> {
  const handle = await fs.open(path, 'wx', mode ?? 0o644);
  try {
    await handle.writeFile(data);
    if (isMasked(mode)) await handle.chmod(mode);
    if (fleeting !== true) await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeAtomic(
  path: string,
  data: string | Uint8Array,
  options: WriteOptions,
  random: Random,
): Promise<void> {
  const temporary = temporaryBeside(path, random);
  try {
    await writeNew(temporary, data, options);
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
  if (options.fleeting !== true) await syncDirectory(dirname(path));
}

/** One write(2): kernel files take each write as a whole command. */
async function writeInPlace(path: string, data: string): Promise<void> {
  const handle = await fs.open(path, constants.O_WRONLY | constants.O_TRUNC);
  try {
    const bytes = Buffer.from(data);
    const { bytesWritten } = await handle.write(bytes);
    if (bytesWritten !== bytes.length) {
      throw new Error(`${path} took ${bytesWritten} of ${bytes.length} bytes`);
    }
  } finally {
    await handle.close();
  }
}

type Stats = Awaited<ReturnType<typeof fs.lstat>>;

function kindOf(stats: Stats): FileStat['kind'] {
  if (stats.isFile()) return 'File';
  if (stats.isDirectory()) return 'Directory';
  if (stats.isSymbolicLink()) return 'Symlink';
  if (stats.isSocket()) return 'Socket';
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return 'Device';
  return 'Other';
}

function entriesOf(path: string) {
  const options = { withFileTypes: true } as const;
  return isKernels(path) ? readdirSync(path, options) : fs.readdir(path, options);
}

async function stat(path: string): Promise<FileStat | undefined> {
  const found = await unlessAbsent(() => (isKernels(path) ? lstatSync(path) : fs.lstat(path)));
  if (found === undefined) return undefined;
  return {
    kind: kindOf(found),
    sizeBytes: found.size,
    usedBytes: found.blocks * 512,
    mode: found.mode & 0o7777,
    uid: found.uid,
    gid: found.gid,
    modifiedMs: found.mtimeMs,
  };
}

/** A new directory is made durable in its parent: a record inside is worth nothing when a crash forgets the directory. */
async function makeDirectory(
  path: string,
  options: { mode?: number; fleeting?: boolean } = {},
): Promise<void> {
  const { mode, fleeting = false } = options;
  try {
    await fs.mkdir(path, mode === undefined ? {} : { mode });
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST' && (await fs.stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path), { fleeting });
    await makeDirectory(path, options);
    return;
  }
  if (isMasked(mode)) await fs.chmod(path, mode);
  if (!fleeting) await syncDirectory(dirname(path));
}

async function remove(path: string): Promise<void> {
  const found = await unlessAbsent(() => fs.lstat(path));
  if (found === undefined) return;
  await unlessAbsent(() => (found.isDirectory() ? fs.rmdir(path) : fs.unlink(path)));
}

async function rename(from: string, to: string): Promise<void> {
  await fs.rename(from, to);
  await Promise.all([...new Set([dirname(to), dirname(from)])].map(syncDirectory));
}

/** The real file system. `random` names temporary files. */
export function realFiles(random: Random): Files {
  return {
    readText: (path) =>
      unlessAbsent(() => (isKernels(path) ? readFileSync(path, 'utf8') : fs.readFile(path, 'utf8'))),
    readBytes: (path) => unlessAbsent(() => fs.readFile(path)),
    writeAtomic: (path, data, options = {}) => writeAtomic(path, data, options, random),
    writeInPlace,
    sync: async (path) => {
      const handle = await fs.open(path, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    directories: async (path) =>
      ((await unlessAbsent(() => entriesOf(path))) ?? [])
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort(),
    list: async (path) => ((await unlessAbsent(() => fs.readdir(path))) ?? []).sort(),
    stat,
    makeDirectory,
    remove,
    removeTree: (path) => fs.rm(path, { recursive: true, force: true }),
    rename,
    copy: (from, to) => fs.copyFile(from, to, constants.COPYFILE_FICLONE),
    chmod: (path, mode) => fs.chmod(path, mode),
    chown: (path, uid, gid) => fs.lchown(path, uid, gid),
    symlink: (target, path) => fs.symlink(target, path),
    readLink: (path) => unlessAbsent(() => fs.readlink(path)),
    realPath: (path) => unlessAbsent(() => fs.realpath(path)),
    space: async (path) => {
      const found = await fs.statfs(path);
      return { totalBytes: found.blocks * found.bsize, freeBytes: found.bavail * found.bsize };
    },
  };
}
