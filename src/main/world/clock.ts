/** The machine's clocks behind the Clock port. Time spent suspended counts: a lease does not wait for a sleeping laptop. */
import { uptime } from 'node:os';
import type { Clock } from '../../base/clock.ts';

/** setTimeout fires at once for anything longer (https://nodejs.org/docs/latest-v20.x/api/timers.html). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** os.uptime has steps of 10 ms: smaller differences to the fine clock say nothing. */
const UPTIME_NOISE_MS = 200;

/** The real clock. `bootTimeMs` (a clock that counts suspension) is given only by tests. */
export function realClock(bootTimeMs: () => number = () => uptime() * 1000): Clock {
  const offset = bootTimeMs() - performance.now();
  let suspendedMs = 0;

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
      const ahead = bootTimeMs() - fine - offset;
      if (ahead > suspendedMs + UPTIME_NOISE_MS) suspendedMs = ahead;
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
