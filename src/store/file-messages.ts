/** What stands in a store's file, as messages, and how they are written to it. */
import type { FileHandle } from 'node:fs/promises';
import { encodeMessage, type Message, storedCommit } from './codec.ts';
import { StoreFullError } from './contract.ts';
import { frame } from './frames.ts';
import { commitBytes, entryBytes, type History } from './history.ts';
import type { CommitRecord } from './journal.ts';
import { fileFormat } from './load.ts';
import type { Room } from './room.ts';

/** A frame is closed once it has this much: it is encoded in one go, and nobody shall wait long for that. */
const frameBytes = 512 * 1024;

/** The errors that mean "no room": open(2), write(2). */
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** All that a file with this history says, as it is now: commits that come before the messages are written are not in them. */
export function historyMessages(history: History): Iterable<Message> {
  const compactedRevision = history.compactedRevision();
  return messagesOf(history, compactedRevision, history.after(compactedRevision));
}

function* messagesOf(
  history: History,
  compactedRevision: number,
  commits: readonly CommitRecord[],
): Iterable<Message> {
  yield { type: 'header', format: fileFormat, compactedRevision };
  for (const entries of groups(history.base(), entryBytes)) yield { type: 'base', entries };
  yield { type: 'baseEnd' };
  yield* commitMessages(commits);
}

/** Commits, some in one frame. */
export function* commitMessages(commits: Iterable<CommitRecord>): Iterable<Message> {
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

/** Writes messages from `start` on, where `room` leaves it; returns where they end. */
export async function writeMessages(
  handle: FileHandle,
  messages: Iterable<Message>,
  start: number,
  room?: Room,
): Promise<number> {
  let position = start;
  for (const message of messages) {
    const bytes = frame(encodeMessage(message));
    await room?.clear(position + bytes.length);
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

/** A StoreFullError where the error means that there is no room; else the error. */
export function fullError(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!fullCodes.has(code)) return error;
  return new StoreFullError(`no room to write ${path} (${code}): free space on its file system`, {
    cause: error,
  });
}
