/** Copies of a simulated machine's disks: nothing but time, which passes in the table, so that they go on without the agent. */
import type { Clock } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { GuestCopies } from '../contract.ts';
import type { SimulatedLives } from './lives.ts';

export type SimulatedCopiesOptions = {
  clock: Clock;
  lives: Pick<SimulatedLives, 'living' | 'change'>;
  /** How long a copy takes, milliseconds. */
  disksMs: number;
  /** It is there and has not run yet. */
  starting(id: string): boolean;
  /** Of those: when the copies are done, for whoever lets it run. */
  early: Map<string, number>;
};

/** The copies of one simulated host. */
export function createSimulatedCopies({
  clock,
  lives,
  disksMs,
  starting,
  early,
}: SimulatedCopiesOptions): GuestCopies {
  return {
    begin: async (guest) => {
      const known = await lives.living(guest.id);
      if (known === undefined && starting(guest.id)) early.set(guest.id, clock.now() + disksMs);
      else if (known === undefined) throw copyFailed(`${guest.name} does not run`);
      else await lives.change({ ...known, copiedAtMs: clock.now() + disksMs });
    },
    progress: async (guest) => {
      const known = await lives.living(guest.id);
      if (known?.copiedAtMs === undefined) throw copyFailed(`${guest.name} went off meanwhile`);
      const leftMs = Math.max(0, known.copiedAtMs - clock.now());
      return { done: leftMs === 0, copiedBytes: disksMs - leftMs, totalBytes: disksMs };
    },
    end: async (guest) => {
      const known = await lives.living(guest.id);
      if (known?.copiedAtMs === undefined) return;
      const { copiedAtMs: _, ...rest } = known;
      await lives.change(rest);
    },
  };
}

function copyFailed(why: string): ReasonedError {
  return new ReasonedError('CopyFailed', `the disks of the running guest could not be copied: ${why}`);
}
