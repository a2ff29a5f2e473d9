/** A queue of keys for the server's own housekeeping: each key once, one at a time, failures tried again with growing delays. */
import { backoffDelay } from '../../base/backoff.ts';
import type { World } from '../../base/world.ts';

/** The queue. */
export type KeyQueue = {
  add(key: string): void;
  /** Adds the key after `ms`. */
  addAfter(key: string, ms: number): void;
  /** Stops; resolves once the work under way has ended. */
  close(): Promise<void>;
};

const backoff = { baseMs: 50, maxMs: 30_000 };

/** Calls `work` for each key. */
export function createKeyQueue(
  name: string,
  world: Pick<World, 'clock' | 'random' | 'log'>,
  work: (key: string) => Promise<void>,
): KeyQueue {
  const waiting = new Set<string>();
  const failures = new Map<string, number>();
  const timers = new Set<() => void>();
  let closed = false;
  let running: Promise<void> | undefined;

  async function drain(): Promise<void> {
    for (const key of waiting) {
      if (closed) return;
      waiting.delete(key);
      await runOne(key);
    }
  }

  async function runOne(key: string): Promise<void> {
    try {
      await work(key);
      failures.delete(key);
    } catch (error) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      world.log.warn(`${name} failed and is tried again`, { key, error: String(error) });
      addAfter(key, backoffDelay(count, backoff, world.random));
    }
  }

  function add(key: string): void {
    if (closed) return;
    waiting.add(key);
    running ??= drain().finally(() => {
      running = undefined;
      const [next] = waiting;
      if (next !== undefined) add(next);
    });
  }

  function addAfter(key: string, ms: number): void {
    if (closed) return;
    const cancel = world.clock.after(ms, () => {
      timers.delete(cancel);
      add(key);
    });
    timers.add(cancel);
  }

  return {
    add,
    addAfter,
    close: async () => {
      closed = true;
      for (const cancel of timers) cancel();
      await running;
    },
  };
}
