/** The machine's clocks behind the Clock port. Time spent suspended counts: a lease does not wait for a sleeping laptop. */
import { uptime } from 'node:os';
import type { Clock } from '../../base/clock.ts';

/** setTimeout fires at once for anything longer (https://nodejs.org/docs/latest-v20.x/api/timers.html). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** os.uptime has steps of 10 ms: smaller differences to the fine clock say nothing. */
const UPTIME_NOISE_MS = 200;

/** Reading the uptime costs a system call and a file: it is looked at again after so long, and when the wall clock has jumped as it does over a suspension. */
const LOOK_EVERY_MS = 20;

export type Clocks = {
  /** Counts suspension; os.uptime in milliseconds. */
  bootTimeMs(): number;
  /** Milliseconds since the Unix epoch. */
  wallMs(): number;
};

const machineClocks: Clocks = { bootTimeMs: () => uptime() * 1000, wallMs: () => Date.now() };

/** The real clock. Other clocks beneath it are given only by tests. */
export function realClock({ bootTimeMs, wallMs }: Clocks = machineClocks): Clock {
  const offset = bootTimeMs() - performance.now();
  let suspendedMs = 0;
  let looked = { fine: Number.NEGATIVE_INFINITY, wallAhead: 0 };

  /** Nothing new can be known of a suspension since the last look. */
  const isFresh = (fine: number): boolean =>
    fine - looked.fine < LOOK_EVERY_MS && wallMs() - fine - looked.wallAhead < LOOK_EVERY_MS;

  const after = (ms: number, run: () => void): (() => void) => {
    let left = Math.max(0, ms);
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const step = Math.min(left, LONGEST_TIMER_MS);
      left -= step;
      timer = setTimeout(left > 0 ? arm : run, step);
    };
    arm();
    return () => clearTimeout(timer);
  };

  return {
    now: () => Date.now(),
    monotonic: () => {
      const fine = performance.now();
      if (!isFresh(fine)) {
        const ahead = bootTimeMs() - fine - offset;
        if (ahead > suspendedMs + UPTIME_NOISE_MS) suspendedMs = ahead;
        looked = { fine, wallAhead: wallMs() - fine };
      }
      return fine + suspendedMs;
    },
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
    after,
  };
}
