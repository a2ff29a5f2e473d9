/** The file system as a port. Paths are absolute; names from users are checked before they become paths. */

export type FileStat = {
  kind: 'File' | 'Directory' | 'Symlink' | 'Socket' | 'Device' | 'Other';
  sizeBytes: number;
  /** Bytes really allocated (sparse files use fewer than their size). */
  usedBytes: number;
  mode: number;
  uid: number;
  gid: number;
  modifiedMs: number;
};

export type Files = {
  /** The text, or undefined when there is no such file. Other errors throw. */
  readText(path: string): Promise<string | undefined>;
  /** The bytes, or undefined when there is no such file. */
  readBytes(path: string): Promise<Uint8Array | undefined>;
  /**
   * Writes beside, fsyncs the file, renames over `path`, fsyncs the directory: never half a file after a crash. What is `fleeting` is not
   * fsynced: it is flushed together with other things before anybody counts on it.
   */
  writeAtomic(
    path: string,
    data: string | Uint8Array,
    options?: { mode?: number; fleeting?: boolean },
  ): Promise<void>;
  /** Writes in place, for kernel files (cgroup, sysfs) that cannot be renamed over. */
  writeInPlace(path: string, data: string): Promise<void>;
  /** Names in a directory in order; empty when it does not exist. */
  list(path: string): Promise<string[]>;
  /** Names of the directories directly in a directory, in order, by one call; empty when it does not exist. Links are none. */
  directories(path: string): Promise<string[]>;
  /** lstat, or undefined when nothing is there. */
  stat(path: string): Promise<FileStat | undefined>;
  /**
   * Creates the directory and its parents; no error when it exists. It is on disk when this resolves, unless it is `fleeting`: of the
   * kernel, or one that a crash may forget.
   */
  makeDirectory(path: string, options?: { mode?: number; fleeting?: boolean }): Promise<void>;
  /** Removes a file or an empty directory; no error when nothing is there. */
  remove(path: string): Promise<void>;
  /** Removes a tree; no error when nothing is there. */
  removeTree(path: string): Promise<void>;
  /** Renames atomically and fsyncs both directories. */
  rename(from: string, to: string): Promise<void>;
  /** What was written to this file, by whomever, is on disk when it resolves: fsync(2). */
  sync(path: string): Promise<void>;
  /** Copies one file, sharing blocks where the file system can. */
  copy(from: string, to: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  chown(path: string, uid: number, gid: number): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string | undefined>;
  /** Resolves symlinks; undefined when nothing is there. */
  realPath(path: string): Promise<string | undefined>;
  /** Size and free space of the file system that holds `path`, in bytes. */
  space(path: string): Promise<{ totalBytes: number; freeBytes: number }>;
};
