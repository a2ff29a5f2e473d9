/** How long the guest may stand still, stepped up while its memory changes faster than it is sent. Pure. */

/** What was asked for, times this, is the most. */
const MOST_STEPS = 16;
/** Without less to send for so long the limit is doubled. */
const STEP_AFTER_MS = 5_000;

export type Least = { remainingBytes: number; at: number };

/** The limit from now on and what to remember; times are monotonic milliseconds. */
export function stepDowntime(
  askedMs: number,
  currentMs: number,
  least: Least | undefined,
  { remainingBytes, now }: { remainingBytes: number; now: number },
): { limitMs: number; least: Least } {
  if (least === undefined || remainingBytes < least.remainingBytes) {
    return { limitMs: currentMs, least: { remainingBytes, at: now } };
  }
  if (now - least.at < STEP_AFTER_MS) return { limitMs: currentMs, least };
  const limitMs = Math.min(currentMs * 2, askedMs * MOST_STEPS);
  return { limitMs, least: { ...least, at: now } };
}
