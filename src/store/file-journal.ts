/**
 * The journal in one file: a base and the commits since, appended so that each write is on disk when it returns (O_DSYNC, open(2)); rewritten
 * beside, while commits go on, and renamed over when half of it is forgotten history. A failed write is taken back, so a full disk costs the
 * write and nothing else.
 */
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Message } from './codec.ts';
import { StoreFullError } from './contract.ts';
import { commitMessages, fullError, historyMessages, writeMessages } from './file-messages.ts';
import { beginFile, openSynced, syncDirectory } from './fresh-file.ts';
import type { History } from './history.ts';
import type { Journal } from './journal.ts';
import { createRoom, type Room } from './room.ts';

/** A file smaller than this is not worth rewriting. */
const smallBytes = 4 * 1024 * 1024;

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
  let room = roomFrom(goodBytes);
  let newest = history.revision();
  let broken: unknown;
  let closed = false;
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
      position = await writeMessages(handle, messages, end, room);
    } catch (error) {
      // Take back what got in; when even that fails, the error is no longer "nothing was written".
      await cutAtEnd();
      room = roomFrom(end);
      throw fullError(path, error);
    }
    end = position;
    room.reached(end);
  }

  function roomFrom(size: number): Room {
    return createRoom(size, async () => {
      check?.();
      return openSynced(path);
    });
  }

  /** Takes away what lies beyond the last commit. */
  async function cutAtEnd(): Promise<void> {
    await room.close();
    await handle.truncate(end);
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
        await room.close();
        ({ handle, size: end } = await fresh.finish());
        room = roomFrom(end);
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
      // Only tidiness, and not for who has lost the lock: a reader takes zeros for the end.
      if (!closed) await inTurn(cutAtEnd).catch(() => undefined);
      closed = true;
      await room.close();
      await handle.close();
    },
  };
}
