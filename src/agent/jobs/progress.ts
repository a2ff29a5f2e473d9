/** How far work on the volumes of a guest is, as one number for people. */
import type { Follower } from '../../drivers/storage/contract.ts';

/**
 * `tell` hears the percent of all volumes together whenever it has grown: large ones count for more, trees, which have no size, all the same.
 * It is an estimate, so that only those who know that it is over say 100.
 */
export function createProgress(
  volumes: readonly { name: string; sizeBytes?: number }[],
  tell: (percent: number) => void,
): { of(volume: string): Follower } {
  const weights = new Map(volumes.map(({ name, sizeBytes }) => [name, Math.max(1, sizeBytes ?? 0)]));
  const all = sum([...weights.values()]);
  const shares = new Map<string, number>();
  let last = -1;
  return {
    of: (volume) => (far) => {
      const share = far.totalBytes > 0 ? Math.min(1, far.doneBytes / far.totalBytes) : 0;
      // What is read a second time was read.
      shares.set(volume, Math.max(share, shares.get(volume) ?? 0));
      const done = sum([...shares].map(([name, part]) => part * (weights.get(name) ?? 0)));
      const percent = percentOf({ doneBytes: done, totalBytes: all });
      if (percent === undefined || percent <= last) return;
      last = percent;
      tell(percent);
    },
  };
}

/** When an archive has to be brought over first, that is one half of it. */
export function inHalves(follow: Follower): { follow: Follower; bringing: Follower } {
  let isBrought = false;
  return {
    bringing: ({ doneBytes, totalBytes }) => {
      isBrought = true;
      follow({ doneBytes, totalBytes: 2 * totalBytes });
    },
    follow: ({ doneBytes, totalBytes }) =>
      isBrought
        ? follow({ doneBytes: totalBytes + doneBytes, totalBytes: 2 * totalBytes })
        : follow({ doneBytes, totalBytes }),
  };
}

/** At most 99: see `createProgress`. Undefined: nobody knows of how much. */
export function percentOf({ doneBytes, totalBytes }: Parameters<Follower>[0]): number | undefined {
  return totalBytes > 0 ? Math.min(99, Math.floor((100 * doneBytes) / totalBytes)) : undefined;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
