/**
 * Looks once, at the start, after guests that this host remembers or that run here and that no object placed here stands for: the watch tells
 * only of those it has shown before. Repeated until the control plane can be believed.
 */
import { type Outcome, outcomeOf } from '../base/outcome.ts';
import type { World } from '../base/world.ts';
import type { GuestRecord } from './record.ts';

const AGAIN_MS = 5_000;

export type StrayOptions = {
  world: Pick<World, 'clock' | 'log'>;
  /** Records without an object here, at the moment. */
  find(): readonly GuestRecord[];
  depart(record: GuestRecord, signal: AbortSignal): Promise<Outcome>;
  /** Called when each has been looked at once, whatever came of it. */
  onFirstRound(): void;
};

/** Never throws. */
export async function lookAfterStrays(
  { world, find, depart, onFirstRound }: StrayOptions,
  signal: AbortSignal,
): Promise<void> {
  let pending = find();
  if (pending.length === 0) onFirstRound();
  while (pending.length > 0 && !signal.aborted) {
    const unsettled: GuestRecord[] = [];
    for (const record of pending) {
      const outcome = await depart(record, signal).catch((error: unknown) => outcomeOf(error));
      if (outcome.type === 'done') continue;
      world.log.debug('a guest without an object is looked at again', {
        guest: record.name,
        reason: outcome.reason,
      });
      unsettled.push(record);
    }
    onFirstRound();
    if (unsettled.length === 0) return;
    await world.clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    const present = new Set(find().map(({ id }) => id));
    pending = unsettled.filter(({ id }) => present.has(id));
  }
}
