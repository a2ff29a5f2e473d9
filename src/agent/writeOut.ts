/**
 * What this host has written to shared storage and still holds in its memory would come out beside what a guest writes elsewhere: before it is said that a
 * guest is off here for good it is written out.
 */
import type { Clock } from '../base/clock.ts';

const AGAIN_MS = 500;

/** Resolves with true when all of it is on its storage, with false when that does not come to pass within `limitMs`. */
export async function isWrittenOut(
  writeOutShared: (() => Promise<void>) | undefined,
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  if (writeOutShared === undefined) return true;
  const until = clock.monotonic() + limitMs;
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const tries = async (): Promise<boolean> => {
    for (;;) {
      const isOut = await writeOutShared().then(
        () => true,
        () => false,
      );
      if (isOut || clock.monotonic() >= until) return isOut;
      await clock.sleep(AGAIN_MS, either);
    }
  };
  try {
    // Storage that does not answer holds up who asks it for ever.
    return await Promise.race([tries(), clock.sleep(limitMs, either).then(() => false)]);
  } finally {
    over.abort(new Error('it is known'));
  }
}
