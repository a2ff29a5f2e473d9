/**
 * The journal in one file: a base and the commits since, appended so that each write is on disk when it returns (O_DSYNC, open(2)); rewritten
 * beside, while commits go on, and renamed over when half of it is forgotten history. A failed write is taken back, so a full disk costs the
 * write and nothing else.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { encodeMessage, type Message, storedCommit } from './codec.ts';
import { StoreFullError } from './contract.ts';
import { frame } from './frames.ts';
import { commitBytes, entryBytes, type History } from './history.ts';
import type { CommitRecord, Journal } from './journal.ts';
import { fileFormat } from './load.ts';

/** A file smaller than this is not worth rewriting. */
const smallBytes = 4 * 1024 * 1024;
/** A frame is closed once it has this much: it is encoded in one go, and nobody shall wait long for that. */
const frameBytes = 512 * 1024;

/** The errors that mean "no room": open(2), write(2). */
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** `handle` is from `openSynced`. `check` throws when nothing may be written any more: it is asked before each write and each renaming. */
export type FileJournalOptions = {
  path: string;
  handle: FileHandle;
  history: History;
  goodBytes: number;
  check?: () => void;
};

/** Continues the file of `handle` at `goodBytes`. */
export function createFileJournal(options: FileJournalOptions): Journal {
  const { path, handle: first, history, goodBytes, check } = options;
  let handle = first;
  let end = goodBytes;
  let newest = history.revision();
  let broken: unknown;
  let turn: Promise<unknown> = Promise.resolve();

  /** One file operation at a time: an append must not meet the rename of a rewrite. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const result = turn.then(async () => {
      if (broken !== undefined) throw broken;
      check?.();
      try {
        await work();
      } catch (error) {
        // After a failed fsync nobody knows what is on disk, and a second one may lie (https://lwn.net/Articles/752063/).
        if (!(error instanceof StoreFullError)) broken = error;
        throw error;
      }
    });
    turn = result.catch(() => undefined);
    return result;
  }

  async function write(messages: Iterable<Message>): Promise<void> {
    let position = end;
    try {
      position = await writeMessages(handle, messages, end);
    } catch (error) {
      // Take back what got in; when even that fails, the error is no longer "nothing was written".
      await handle.truncate(end);
      throw fullError(path, error);
    }
    end = position;
  }

  /** Writes the history to a new file and takes it in place of the old one. Commits wait only for those that came meanwhile. */
  async function rewrite(): Promise<void> {
    const written = history.revision();
    const fresh = await beginFile(path, historyMessages(history));
    try {
      await inTurn(async () => {
        // A commit is in the history right after its turn.
        await breathe();
        if (history.revision() !== newest) throw new Error('a commit is on disk and not in the history');
        await fresh.write(commitMessages(history.after(written)));
        const old = handle;
        ({ handle, size: end } = await fresh.finish());
        await old.close();
        await syncDirectory(dirname(path));
      });
    } catch (error) {
      await fresh.discard();
      throw error;
    }
  }

  return {
    append: (commits) =>
      inTurn(async () => {
        await write(commitMessages(commits));
        newest = commits.at(-1)?.revision ?? newest;
      }),
    trim: async (revision) => {
      await inTurn(() => write([{ type: 'compacted', revision }]));
      if (end > smallBytes && end > 2 * history.bytes()) await rewrite();
    },
    close: async () => {
      await turn;
      await handle.close();
    },
  };
}

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
type FreshFile = {
  write(messages: Iterable<Message>): Promise<void>;
  /** Makes it the file at `path`; the handle is as from `openSynced`. */
  finish(): Promise<{ handle: FileHandle; size: number }>;
  /** Takes it away unless it is finished. */
  discard(): Promise<void>;
};

async function beginFile(path: string, messages: Iterable<Message>): Promise<FreshFile> {
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

/** All that a file with this history says. */
function* historyMessages(history: History): Iterable<Message> {
  const compactedRevision = history.compactedRevision();
  const commits = history.after(compactedRevision);
  yield { type: 'header', format: fileFormat, compactedRevision };
  for (const entries of groups(history.base(), entryBytes)) yield { type: 'base', entries };
  yield { type: 'baseEnd' };
  yield* commitMessages(commits);
}

function* commitMessages(commits: Iterable<CommitRecord>): Iterable<Message> {
  for (const group of groups(commits, commitBytes))
    yield { type: 'commits', commits: group.map(storedCommit) };
}

/** Splits a list into what goes into one frame each. */
function* groups<T>(items: Iterable<T>, bytesOf: (item: T) => number): Iterable<T[]> {
  let group: T[] = [];
  let size = 0;
  for (const item of items) {
    if (size > frameBytes) {
      yield group;
      group = [];
      size = 0;
    }
    group.push(item);
    size += bytesOf(item);
  }
  if (group.length > 0) yield group;
}

async function writeMessages(
  handle: FileHandle,
  messages: Iterable<Message>,
  start: number,
): Promise<number> {
  let position = start;
  for (const message of messages) {
    const bytes = frame(encodeMessage(message));
    await writeAll(handle, bytes, position);
    position += bytes.length;
  }
  return position;
}

/** write(2) may take a part and say so only by the count. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const result = await handle.write(bytes, written, bytes.length - written, position + written);
    written += result.bytesWritten;
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

function fullError(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!fullCodes.has(code)) return error;
  return new StoreFullError(`no room to write ${path} (${code}): free space on its file system`, {
    cause: error,
  });
}
