/** How a keeper does things again and again: whatever fails is done again in its next round. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';

/** Acts, waits, and acts again until the signal; `pauseMs` is asked anew each time. */
export async function inRounds(
  { clock, log }: { clock: Clock; log: Log },
  { act, pauseMs, signal }: { act: () => Promise<void>; pauseMs: () => number; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await act().catch((error: unknown) => log.error('the keeper stumbles', { message: String(error) }));
    if (!signal.aborted) await clock.sleep(pauseMs(), signal).catch(() => undefined);
  }
}

/** Resolves at `at` of the clock, at the signal, or when what `onWake` was given is called. */
export function waitUntil(
  clock: Clock,
  at: number,
  signal: AbortSignal,
  onWake: (wake: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || at <= clock.monotonic()) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      onWake(() => {});
      resolve();
    };
    const cancel = clock.after(at - clock.monotonic(), end);
    signal.addEventListener('abort', end, { once: true });
    onWake(end);
  });
}
