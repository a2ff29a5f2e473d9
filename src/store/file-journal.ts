/**
 * The journal in one file: a base and the commits since, appended and fsynced; rewritten beside and renamed over when half of it is
 * forgotten history. A failed write is taken back, so a full disk costs the write and nothing else.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodeMessage, type Message, storedCommit } from './codec.ts';
import { type Entry, StoreFullError } from './contract.ts';
import { frame } from './frames.ts';
import type { History } from './history.ts';
import type { CommitRecord, Journal } from './journal.ts';
import { fileFormat } from './load.ts';

/** A file smaller than this is not worth rewriting. */
const smallBytes = 4 * 1024 * 1024;
/** A frame is closed once it has this much. */
const frameBytes = 4 * 1024 * 1024;

/** The errors that mean "no room": open(2), write(2). */
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export type FileJournalOptions = { path: string; handle: FileHandle; history: History; goodBytes: number };

/** Continues the file of `handle` at `goodBytes`. */
export function createFileJournal({ path, handle: first, history, goodBytes }: FileJournalOptions): Journal {
  let handle = first;
  let end = goodBytes;
  let newest = history.revision();
  let broken: unknown;
  let turn: Promise<unknown> = Promise.resolve();

  /** One file operation at a time: an append must not meet the rename of a rewrite. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const result = turn.then(async () => {
      if (broken !== undefined) throw broken;
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

  async function write(messages: readonly Message[]): Promise<void> {
    let position = end;
    try {
      position = await writeMessages(handle, messages, end);
    } catch (error) {
      // Take back what got in; when even that fails, the error is no longer "nothing was written".
      await handle.truncate(end);
      throw fullError(path, error);
    }
    await handle.datasync();
    end = position;
  }

  /** Writes the history to a new file and takes it in place of the old one. Commits wait meanwhile. */
  async function rewrite(): Promise<void> {
    // A commit that is on disk and not yet in the history would be lost; the next trim tries again.
    if (history.revision() !== newest) return;
    const { handle: fresh, size } = await createFile(path, history);
    const old = handle;
    handle = fresh;
    end = size;
    await old.close();
    await syncDirectory(dirname(path));
  }

  return {
    append: (commits) =>
      inTurn(async () => {
        await write(commitMessages(commits));
        newest = commits.at(-1)?.revision ?? newest;
      }),
    trim: (revision) =>
      inTurn(async () => {
        await write([{ type: 'compacted', revision }]);
        if (end > smallBytes && end > 2 * historyBytes(history)) await rewrite();
      }),
    close: async () => {
      await turn;
      await handle.close();
    },
  };
}

/** Creates the file of `history` in one step: a crash leaves the old file or the new one. The directory is for the caller to sync. */
export async function createFile(
  path: string,
  history: History,
): Promise<{ handle: FileHandle; size: number }> {
  const target = `${path}.new`;
  const handle = await open(target, 'w+', 0o600);
  try {
    const size = await writeMessages(handle, historyMessages(history), 0);
    await handle.datasync();
    await rename(target, path);
    return { handle, size };
  } catch (error) {
    await handle.close();
    await rm(target, { force: true });
    throw fullError(path, error);
  }
}

/** All that a file with this history says. */
function historyMessages(history: History): Message[] {
  const compactedRevision = history.compactedRevision();
  return [
    { type: 'header', format: fileFormat, compactedRevision },
    ...groups(history.base(), entryBytes).map((entries): Message => ({ type: 'base', entries })),
    { type: 'baseEnd' },
    ...commitMessages(history.after(compactedRevision)),
  ];
}

function commitMessages(commits: readonly CommitRecord[]): Message[] {
  return groups(commits, commitBytes).map((group) => ({ type: 'commits', commits: group.map(storedCommit) }));
}

/** Splits a list into frames of some megabytes. */
function groups<T>(items: readonly T[], bytesOf: (item: T) => number): T[][] {
  const result: T[][] = [];
  let group: T[] = [];
  let size = 0;
  for (const item of items) {
    if (size > frameBytes) {
      result.push(group);
      group = [];
      size = 0;
    }
    group.push(item);
    size += bytesOf(item);
  }
  if (group.length > 0) result.push(group);
  return result;
}

function entryBytes({ key, value }: Entry): number {
  return key.length + value.length + 24;
}

function commitBytes({ changes }: CommitRecord): number {
  return changes.reduce(
    (sum, change) => sum + change.key.length + (change.type === 'put' ? change.value.length : 0) + 9,
    12,
  );
}

/** About how large a file of this history is. */
function historyBytes(history: History): number {
  const base = history.base().reduce((sum, entry) => sum + entryBytes(entry), 0);
  const commits = history.after(history.compactedRevision());
  return base + commits.reduce((sum, commit) => sum + commitBytes(commit), 0);
}

async function writeMessages(
  handle: FileHandle,
  messages: readonly Message[],
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
