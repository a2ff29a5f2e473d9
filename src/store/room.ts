/**
 * Room ahead: zeros written beyond the end of a file that grows commit by commit. A commit over them changes no size, so the file system
 * writes no journal of its own for it, nor waits there for what others write. To a reader zeros are no frame: the end, as after a crash.
 */
import type { FileHandle } from 'node:fs/promises';

/** Put down in one go: some hundred commits. */
const stepBytes = 1024 * 1024;
/** More is put down when less than this is left, which also is how much is written without: a store that hardly writes stays small. */
const leastBytes = 128 * 1024;

const zeros = Buffer.alloc(stepBytes);

/** The room ahead in one file. */
export type Room = {
  /** Resolves once bytes up to here may be written: what is put down ahead must not land on them. */
  clear(upTo: number): Promise<void>;
  /** Tells where the file's content ends now; what is put down then is not waited for. */
  reached(end: number): void;
  /** Resolves once nothing is being put down, and nothing will be any more. */
  close(): Promise<void>;
};

/**
 * Room in a file of `size` bytes, put down through a handle of its own: an error of it is not taken from who writes commits (fsync(2)
 * tells each handle once). Where there is no room on the disk commits go on without, and find out themselves.
 */
export function createRoom(size: number, open: () => Promise<FileHandle>): Room {
  let filled = size;
  let filling: Promise<void> | undefined;
  let ended = false;

  async function fill(): Promise<void> {
    try {
      const handle = await open();
      try {
        for (let done = 0; done < stepBytes; ) {
          const { bytesWritten } = await handle.write(zeros, 0, stepBytes - done, filled + done);
          done += bytesWritten;
        }
      } finally {
        await handle.close();
      }
      filled += stepBytes;
    } catch {
      ended = true;
    }
    filling = undefined;
  }

  return {
    clear: async (upTo) => {
      if (upTo > filled) await filling;
    },
    reached: (end) => {
      filled = Math.max(filled, end);
      if (ended || filling !== undefined || end - size < leastBytes || filled - end >= leastBytes) return;
      filling = fill();
    },
    close: async () => {
      ended = true;
      await filling;
    },
  };
}
