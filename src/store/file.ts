/**
 * The store in a directory: everything in memory for reading, every commit in a checksummed file before it is acknowledged.
 * A process killed at any point loses nothing it has acknowledged.
 */
import { type FileHandle, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from './contract.ts';
import { createEngine } from './engine.ts';
import { createFileJournal } from './file-journal.ts';
import { createFile, openSynced, syncDirectory } from './fresh-file.ts';
import { createHistory } from './history.ts';
import type { Journal } from './journal.ts';
import { loadFile } from './load.ts';
import { lockDirectory, type Release } from './lock.ts';

/** The store's file in its directory. */
export const fileName = 'store.vir';

export type FileStoreOptions = {
  /** Made when missing. On a local file system: others do not keep the promises of fsync(2) and rename(2). */
  directory: string;
  /** Takes the directory's lock for as long as the store is open. Default true; false when the caller holds it already. */
  lock?: boolean;
  /** Called when the lock goes without a release: from then on every write fails, and only a new process can help. */
  onLost?: () => void;
};

/**
 * Opens the store of a directory, an empty one when there is none. Throws ReasonedError `DataDirectoryInUse` when another process has
 * it, `StoreDamaged` when the file is not what was written, `StoreFormatUnknown` when a newer version wrote it.
 */
export async function openFileStore({ directory, lock = true, onLost }: FileStoreOptions): Promise<Store> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const guard = lock ? await lockFor(directory, onLost) : undefined;
  try {
    return await openLocked(directory, guard);
  } catch (error) {
    await guard?.release();
    throw error;
  }
}

async function openLocked(directory: string, guard: Guard | undefined): Promise<Store> {
  const path = join(directory, fileName);
  // A rewrite that a crash cut short.
  await rm(`${path}.new`, { force: true });
  const handle = (await openExisting(path)) ?? (await createEmpty(path, directory));
  try {
    const { history, newest, goodBytes } = await loadFile(handle, path);
    // What a crash left of a write that was never acknowledged.
    await handle.truncate(goodBytes);
    await handle.datasync();
    const check = guard === undefined ? {} : { check: guard.check };
    const journal = createFileJournal({ path, handle, history, goodBytes, ...check });
    return createEngine(guard ? guarded(journal, guard) : journal, history, newest);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await openSynced(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function createEmpty(path: string, directory: string): Promise<FileHandle> {
  const { handle } = await createFile(path, createHistory([], 1));
  await syncDirectory(directory);
  return handle;
}

/** Throws once the lock is lost: another process may have opened the file. */
type Guard = { check(): void; release: Release };

async function lockFor(directory: string, onLost?: () => void): Promise<Guard> {
  let lost = false;
  const release = await lockDirectory(directory, () => {
    lost = true;
    onLost?.();
  });
  const check = (): void => {
    if (lost) {
      throw new Error(
        `the lock of ${directory} is lost (its flock process was ended): nothing is written any more`,
      );
    }
  };
  return { check, release };
}

function guarded(journal: Journal, { release }: Guard): Journal {
  return {
    ...journal,
    close: async () => {
      await journal.close();
      await release();
    },
  };
}
