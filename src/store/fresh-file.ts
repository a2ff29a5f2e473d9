/** A store's file that is written anew beside the old one and takes its place in one step. */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import type { Message } from './codec.ts';
import { fullError, historyMessages, writeMessages } from './file-messages.ts';
import type { History } from './history.ts';

/** Opens a file whose writes return when they are on disk: one call each, where writing and then flushing would be two. */
export function openSynced(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_DSYNC);
}

/** Creates the file of `history` in one step: a crash leaves the old file or the new one. The directory is for the caller to sync. */
export async function createFile(
  path: string,
  history: History,
): Promise<{ handle: FileHandle; size: number }> {
  const fresh = await beginFile(path, historyMessages(history));
  try {
    return await fresh.finish();
  } catch (error) {
    await fresh.discard();
    throw error;
  }
}

/** A file that is written beside `path` and is nothing before it is finished. */
export type FreshFile = {
  write(messages: Iterable<Message>): Promise<void>;
  /** Makes it the file at `path`; the handle is as from `openSynced`. */
  finish(): Promise<{ handle: FileHandle; size: number }>;
  /** Takes it away unless it is finished. */
  discard(): Promise<void>;
};

/** Begins one with these messages. */
export async function beginFile(path: string, messages: Iterable<Message>): Promise<FreshFile> {
  const target = `${path}.new`;
  const handle = await open(target, 'w+', 0o600);
  let size = 0;
  let isFinished = false;
  const file: FreshFile = {
    write: async (more) => {
      try {
        size = await writeMessages(handle, more, size);
        await handle.datasync();
      } catch (error) {
        throw fullError(path, error);
      }
    },
    finish: async () => {
      const synced = await openSynced(target);
      try {
        await rename(target, path);
      } catch (error) {
        await synced.close();
        throw error;
      }
      isFinished = true;
      await handle.close();
      return { handle: synced, size };
    },
    discard: async () => {
      if (isFinished) return;
      await handle.close();
      await rm(target, { force: true });
    },
  };
  try {
    await file.write(messages);
    return file;
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/** A rename is on disk only when its directory is (fsync(2)). */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
