/** Keeps copies that run side by side from promising themselves the same free bytes. */
import type { Files } from '../../../base/files.ts';
import { poolFull } from '../refusals.ts';

/** Left free for records and for the host itself. */
const spareBytes = 16 * 1024 * 1024;

export type Capacity = {
  /** Runs `deed` with `bytes` set aside; throws ReasonedError PoolFull with the bytes that are missing. */
  reserve<T>(bytes: number, deed: () => Promise<T>): Promise<T>;
  /** Size and use of the pool's file system. */
  space(): Promise<{ totalBytes: number; usedBytes: number }>;
};

/** Watches the file system of `path` for the pool named `pool`. */
export function createCapacity(files: Files, path: string, pool: string): Capacity {
  let promisedBytes = 0;
  return {
    reserve: async (bytes, deed) => {
      const { freeBytes } = await files.space(path);
      const missingBytes = bytes + promisedBytes + spareBytes - freeBytes;
      if (missingBytes > 0) throw poolFull(pool, missingBytes);
      promisedBytes += bytes;
      try {
        return await deed();
      } finally {
        promisedBytes -= bytes;
      }
    },
    space: async () => {
      const { totalBytes, freeBytes } = await files.space(path);
      return { totalBytes, usedBytes: totalBytes - freeBytes };
    },
  };
}
