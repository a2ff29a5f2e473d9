/** From an outcome to the queue: the one place where it is decided when an object is looked at again. */
import type { Outcome } from '../base/outcome.ts';
import type { Random } from '../base/random.ts';
import type { Disposition } from './queue.ts';

/** Something only the user can change may change without us seeing it, such as a full disk. */
const STALLED_AGAIN_MS = 60_000;

/** Spreads what was done at the same moment over a tenth of the time around it. */
function jittered(ms: number, random: Random): number {
  return ms * (0.95 + random.float() / 10);
}

/** `resyncMs` 0: what is done is never looked at again without a change. */
export function dispositionOf(outcome: Outcome, resyncMs: number, random: Random): Disposition {
  switch (outcome.type) {
    case 'done':
      return resyncMs > 0
        ? { type: 'after', delayMs: jittered(resyncMs, random), isResync: true }
        : { type: 'forget' };
    case 'waiting':
      return { type: 'after', delayMs: outcome.afterMs };
    case 'stalled':
      return { type: 'after', delayMs: jittered(STALLED_AGAIN_MS, random) };
    case 'failed':
      return { type: 'retry' };
    default:
      return outcome satisfies never;
  }
}
