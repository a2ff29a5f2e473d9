/** A file system in memory: what stays when an agent dies. */
import { posix } from 'node:path';
import type { FileStat, Files } from '../../../src/base/files.ts';

/** The files by their path; directories need not be made. */
export type Disk = Map<string, string>;

export function createMemoryFiles(disk: Disk): Files {
  const below = (path: string) => [...disk.keys()].filter((name) => name.startsWith(`${path}/`));
  const text = (data: string | Uint8Array) =>
    typeof data === 'string' ? data : Buffer.from(data).toString('utf8');
  const stat = async (path: string): Promise<FileStat | undefined> => {
    const data = disk.get(path);
    if (data === undefined && below(path).length === 0) return undefined;
    return {
      kind: data === undefined ? 'Directory' : 'File',
      sizeBytes: data?.length ?? 0,
      usedBytes: data?.length ?? 0,
      mode: 0o600,
      uid: 0,
      gid: 0,
      modifiedMs: 0,
    };
  };
  return {
    stat,
    readText: async (path) => disk.get(path),
    readBytes: async (path) => (disk.has(path) ? Buffer.from(disk.get(path) ?? '') : undefined),
    writeAtomic: async (path, data) => void disk.set(path, text(data)),
    writeInPlace: async (path, data) => void disk.set(path, data),
    list: async (path) =>
      [...new Set(below(path).map((name) => name.slice(path.length + 1).split('/')[0] ?? ''))].sort(),
    sync: async () => {},
    directories: async (path) => {
      const names = below(path).map((name) => name.slice(path.length + 1).split('/'));
      return [...new Set(names.filter((parts) => parts.length > 1).map(([first = '']) => first))].sort();
    },
    makeDirectory: async () => {},
    remove: async (path) => void disk.delete(path),
    removeTree: async (path) => {
      for (const name of [path, ...below(path)]) disk.delete(name);
    },
    rename: async (from, to) => {
      const data = disk.get(from);
      if (data !== undefined) disk.set(to, data);
      disk.delete(from);
    },
    copy: async (from, to) => void disk.set(to, disk.get(from) ?? ''),
    chmod: async () => {},
    chown: async () => {},
    symlink: async () => {},
    readLink: async () => undefined,
    realPath: async (path) => ((await stat(path)) === undefined ? undefined : posix.normalize(path)),
    space: async () => ({ totalBytes: 1e12, freeBytes: 1e12 }),
  };
}
