/** Exponential back-off with full jitter's safer half: delays lie in [d/2, d]. */
import type { Random } from './random.ts';

export type BackoffOptions = { baseMs: number; maxMs: number };

/** The delay before retry number `attempt` (0 is the first), in milliseconds. */
export function backoffDelay(attempt: number, options: BackoffOptions, random: Random): number {
  const full = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return full / 2 + (full / 2) * random.float();
}
