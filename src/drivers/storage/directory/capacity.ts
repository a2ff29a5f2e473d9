/** Keeps copies that run side by side from promising themselves the same free bytes. */
import { poolFull } from '../refusals.ts';
import type { PoolRoom } from './room.ts';
import { measureTrees } from './trees.ts';

/** Left free for records and for the host itself. */
const spareBytes = 16 * 1024 * 1024;

export type Capacity = {
  /**
   * Runs `deed` with `bytes` set aside; throws ReasonedError PoolFull with the bytes that are missing. `place`: where it writes them, empty at
   * first, so that what is there already is not counted as still to come; all of it is to come when absent.
   */
  reserve<T>(room: { bytes: number; place?: string }, deed: () => Promise<T>): Promise<T>;
  /** As `reserve`, until what it gives is called. */
  hold(room: { bytes: number; place?: string }): Promise<() => void>;
  /** Size and use of the pool's file system. */
  space(): Promise<{ totalBytes: number; usedBytes: number }>;
};

type Promised = { bytes: number; place?: string };

/** Watches the file system of the pool. */
export function createCapacity(
  room: Pick<PoolRoom, 'name' | 'world' | 'layout' | 'tools' | 'ground' | 'flush' | 'removals'>,
): Capacity {
  const { name, layout, tools } = room;
  const { files } = room.world;
  const promised = new Set<Promised>();
  const space = () => files.space(layout.root);

  const missing = (bytes: number, freeBytes: number, written: ReadonlyMap<string, number>) => {
    const toCome = [...promised].map(
      (each) => each.bytes - Math.min(each.bytes, written.get(each.place ?? '') ?? 0),
    );
    return toCome.reduce((sum, each) => sum + each, bytes) + spareBytes - freeBytes;
  };
  /** Bytes that the others have written already. Before the free ones are counted: what comes in between is counted twice, never not at all. */
  const measure = async (): Promise<ReadonlyMap<string, number>> => {
    const places = [...promised].flatMap(({ place }) => place ?? []);
    // One that is ready just now has moved away, and one that begins just now is not there yet.
    const measured = places.map((place) =>
      measureTrees(tools, [place]).catch(() => new Map<string, number>()),
    );
    return new Map((await Promise.all(measured)).flatMap((each) => [...each]));
  };
  /** Sets them aside unless they are missing by now: how many. */
  const tried = async (own: Promised, written: ReadonlyMap<string, number>): Promise<number> => {
    const { freeBytes } = await space();
    const missingBytes = missing(own.bytes, freeBytes, written);
    // At once, so that nobody slips in between.
    if (missingBytes <= 0) promised.add(own);
    return missingBytes;
  };
  /** Looks closely only where the pool seems full: that takes time. */
  const insist = async (own: Promised): Promise<void> => {
    if ((await tried(own, new Map())) <= 0) return;
    await room.removals();
    await room.ground.reclaim?.(layout.root);
    const written = await measure();
    // A file system may count bytes as used only when they are on the disk.
    await room.flush();
    const missingBytes = await tried(own, written);
    if (missingBytes > 0) throw poolFull(name, missingBytes);
  };

  const hold: Capacity['hold'] = async ({ ...own }) => {
    await insist(own);
    return () => void promised.delete(own);
  };

  return {
    hold,
    reserve: async (own, deed) => {
      const release = await hold(own);
      try {
        return await deed();
      } finally {
        release();
      }
    },
    space: async () => {
      const { totalBytes, freeBytes } = await space();
      return { totalBytes, usedBytes: totalBytes - freeBytes };
    },
  };
}
