/** One deed per guest at a time within this driver: two starts that come at once must not both find the guest Off. */

export type Locks = {
  /** Runs `work` after all earlier work of this guest. */
  run<T>(id: string, work: () => Promise<T>): Promise<T>;
  /** Runs `work` now, or not at all when the guest is busy: for tidying that another deed would do as well. */
  whenFree(id: string, work: () => Promise<void>): Promise<void>;
};

export function createLocks(): Locks {
  const tails = new Map<string, Promise<unknown>>();

  function run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = tails.get(id) ?? Promise.resolve();
    const result = before.then(work);
    const tail = result.then(
      () => undefined,
      () => undefined,
    );
    tails.set(id, tail);
    return result.finally(() => {
      if (tails.get(id) === tail) tails.delete(id);
    });
  }

  return {
    run,
    whenFree: async (id, work) => {
      if (!tails.has(id)) await run(id, work);
    },
  };
}
