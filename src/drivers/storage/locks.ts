/** Orders work inside one process: one deed per name at a time, a few copies at once, one flush for many. */

/** Runs the deeds of one key one after the other; those of different keys side by side. */
export type KeyedLock = <T>(key: string, deed: () => Promise<T>) => Promise<T>;

/** A lock without memory of keys that nobody waits for. */
export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>();
  return (key, deed) => {
    const before = tails.get(key) ?? Promise.resolve();
    const result = before.then(deed);
    const tail = result.catch(() => undefined);
    tails.set(key, tail);
    void tail.then(() => {
      if (tails.get(key) === tail) tails.delete(key);
    });
    return result;
  };
}

/** At most `width` deeds at once; the others wait in order. */
export function createLimiter(width: number): <T>(deed: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (deed) => {
    if (running >= width) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await deed();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

/** Joins callers: those who arrive while a run is under way share the next one, which begins after they arrived. */
export function createGroupRun(run: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    next = undefined;
    current = run().finally(() => {
      if (next === undefined) current = undefined;
    });
    return current;
  };
  return () => {
    if (current === undefined) return begin();
    next ??= current.then(begin, begin);
    return next;
  };
}
