/** A clock whose time moves only when a test says so. */
import type { Clock } from '../../src/base/clock.ts';

type Timer = { dueMs: number; order: number; run: () => void };

/** Lets everything that can go on without time passing go on: promise chains and in-memory streams. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

export type FakeClock = Clock & {
  /** Moves time forward, running timers when they are due and settling promises after each. */
  advance(ms: number): Promise<void>;
  /** Timers not yet due. */
  pending(): number;
  /** Moves only the wall clock, as NTP or an administrator does. */
  setWall(ms: number): void;
};

/** Starts at 2026-01-01T00:00:00Z unless told otherwise. */
export function createFakeClock(startMs: number = Date.UTC(2026, 0, 1)): FakeClock {
  const timers = new Set<Timer>();
  let elapsedMs = 0;
  let wallOffset = startMs;
  let order = 0;

  const after = (ms: number, run: () => void): (() => void) => {
    const timer = { dueMs: elapsedMs + Math.max(0, ms), order: order++, run };
    timers.add(timer);
    return () => void timers.delete(timer);
  };

  const nextDue = (untilMs: number): Timer | undefined => {
    const due = [...timers].filter((timer) => timer.dueMs <= untilMs);
    return due.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
  };

  return {
    now: () => wallOffset + elapsedMs,
    monotonic: () => elapsedMs,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason);
          return;
        }
        const stop = (): void => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = after(ms, () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        });
        signal?.addEventListener('abort', stop, { once: true });
      }),
    advance: async (ms) => {
      const untilMs = elapsedMs + ms;
      await settle();
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        timers.delete(timer);
        elapsedMs = Math.max(elapsedMs, timer.dueMs);
        timer.run();
        await settle();
      }
      elapsedMs = untilMs;
      await settle();
    },
    pending: () => timers.size,
    setWall: (ms) => {
      wallOffset = ms - elapsedMs;
    },
  };
}
