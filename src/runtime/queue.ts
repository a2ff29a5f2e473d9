/**
 * The work queue: keys, not events. A key waits once however often it is added, is never worked on twice at the same time,
 * and runs once more when it was added meanwhile. Only failures back off.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { backoffDelay } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { QueueMeter } from './metrics.ts';

/** What becomes of a key after its pass. */
export type Disposition =
  /** Nothing until it is added again. */
  | { type: 'forget' }
  /** Again after this, without counting as a failure. `isResync`: nothing is left to do, it is only to be sure. */
  | { type: 'after'; delayMs: number; isResync?: true }
  /** Again at once. */
  | { type: 'again' }
  /** Again with back-off that doubles with each failure in a row. */
  | { type: 'retry' };

export type QueueOptions = {
  clock: Clock;
  random: Random;
  /** Keys worked on at the same time. */
  concurrency: number;
  /** Works on one key; a rejection counts as `retry`. */
  work(key: string): Promise<Disposition>;
  backoff?: { baseMs: number; maxMs: number };
  meter?: QueueMeter;
};

export type Queue = {
  /** Works on the key as soon as a place is free, whatever delay it had. */
  add(key: string): void;
  /** Adds after a delay; the earliest of several wins. */
  addAfter(key: string, delayMs: number): void;
  /** Keys waiting for a place, keys under way, keys waiting for their time. */
  size(): { ready: number; running: number; delayed: number };
  /** Begins to work. Keys may be added before. */
  start(): void;
  /** Begins no more work; resolves when what is under way has ended. */
  stop(): Promise<void>;
};

type Delay = { dueMs: number; cancel(): void };

/** Delays of keys: one timer a key, the earliest wins. */
function createDelays(clock: Clock, due: (key: string) => void) {
  const delays = new Map<string, Delay>();
  const cancel = (key: string): void => {
    delays.get(key)?.cancel();
    delays.delete(key);
  };
  return {
    cancel,
    set: (key: string, delayMs: number) => {
      const dueMs = clock.monotonic() + delayMs;
      if ((delays.get(key)?.dueMs ?? Number.POSITIVE_INFINITY) <= dueMs) return;
      cancel(key);
      const stopTimer = clock.after(delayMs, () => {
        delays.delete(key);
        due(key);
      });
      delays.set(key, { dueMs, cancel: stopTimer });
    },
    clear: () => {
      for (const key of [...delays.keys()]) cancel(key);
    },
    size: () => delays.size,
  };
}

/** Makes a stopped queue. */
export function createQueue(options: QueueOptions): Queue {
  const { clock, random, concurrency, work, meter } = options;
  // A pass is nobody's: not that of whoever had its key looked at, and of what is done on behalf of that.
  const apart = AsyncLocalStorage.snapshot();
  const backoff = options.backoff ?? { baseMs: 200, maxMs: 60_000 };
  /** With the time at which each was added. */
  const ready = new Map<string, number>();
  const running = new Map<string, { addedMeanwhile: boolean }>();
  const failures = new Map<string, number>();
  const idle: (() => void)[] = [];
  let isOpen = false;
  let isStopped = false;

  const add = (key: string): void => {
    if (isStopped) return;
    meter?.added();
    const pass = running.get(key);
    if (pass !== undefined) {
      pass.addedMeanwhile = true;
      return;
    }
    if (!ready.has(key)) ready.set(key, clock.monotonic());
    pump();
  };

  const delays = createDelays(clock, add);

  const countFailure = (key: string, disposition: Disposition): number => {
    const attempt = failures.get(key) ?? 0;
    if (disposition.type === 'retry') failures.set(key, attempt + 1);
    else failures.delete(key);
    return attempt;
  };

  const settle = (key: string, disposition: Disposition, addedMeanwhile: boolean): void => {
    const attempt = countFailure(key, disposition);
    if (addedMeanwhile) {
      add(key);
      return;
    }
    switch (disposition.type) {
      case 'forget':
        return;
      case 'after':
        delays.set(key, disposition.delayMs);
        return;
      case 'again':
        add(key);
        return;
      case 'retry':
        delays.set(key, backoffDelay(attempt, backoff, random));
        return;
      default:
        disposition satisfies never;
    }
  };

  const run = async (key: string): Promise<void> => {
    const pass = { addedMeanwhile: false };
    running.set(key, pass);
    // What the pass says decides when the key comes back; a delay from before is about an older state.
    delays.cancel(key);
    const disposition = await work(key).catch((): Disposition => ({ type: 'retry' }));
    running.delete(key);
    if (!isStopped) settle(key, disposition, pass.addedMeanwhile);
    pump();
    if (running.size === 0) for (const resolve of idle.splice(0)) resolve();
  };

  const pump = (): void => {
    while (isOpen && running.size < concurrency) {
      const [first] = ready;
      if (first === undefined) return;
      const [key, addedAt] = first;
      ready.delete(key);
      meter?.taken(clock.monotonic() - addedAt);
      void apart(run, key);
    }
  };

  return {
    add,
    addAfter: (key, delayMs) => {
      if (!isStopped) delays.set(key, delayMs);
    },
    size: () => ({ ready: ready.size, running: running.size, delayed: delays.size() }),
    start: () => {
      isOpen = !isStopped;
      pump();
    },
    stop: async () => {
      isOpen = false;
      isStopped = true;
      ready.clear();
      delays.clear();
      if (running.size > 0) await new Promise<void>((resolve) => idle.push(resolve));
    },
  };
}
