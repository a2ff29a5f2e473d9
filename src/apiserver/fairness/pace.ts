/** The pace of long work: it gives way after each two milliseconds, whatever its single steps cost, so that nobody waits for the whole. */
import type { Clock } from '../../base/clock.ts';
import type { Turns } from './turns.ts';

/** Asked between two steps: a promise of the next turn when the present one is used up, undefined when the work may go on at once. */
export type Pace = () => Promise<void> | undefined;

/** How long work goes on in one turn. */
const turnMs = 2;

/** The lane of what the server does for itself. */
export const ownLane = 'system:apiserver itself';

/** The pace of one piece of work of a client; it begins with a turn, unless it has begun in one already. */
export function createPace(
  { clock, turns }: { clock: Clock; turns: Turns },
  lane: string,
  { begun = false }: { begun?: boolean } = {},
): Pace {
  let end = begun ? clock.monotonic() + turnMs : Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.monotonic() < end) return undefined;
    return turns.take(lane, 'slice').then(() => {
      end = clock.monotonic() + turnMs;
    });
  };
}
