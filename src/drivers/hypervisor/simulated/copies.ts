/** Copies of a simulated machine's disks: nothing but time, which passes in the table, so that they go on without the agent. */
import type { Clock } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { CopyBegun, DiskCopy, GuestCopies, GuestHandle } from '../contract.ts';
import type { SimulatedLives } from './lives.ts';
import type { SimulatedGuest } from './table.ts';

/** Of guests that are there and have not run yet. */
export type EarlyCopies = Map<string, Pick<SimulatedGuest, 'copiedAtMs' | 'marks'>>;

export type SimulatedCopiesOptions = {
  clock: Clock;
  lives: Pick<SimulatedLives, 'living' | 'change'>;
  /** How long a copy takes, milliseconds. */
  disksMs: number;
  /** It is there and has not run yet. */
  starting(id: string): boolean;
  /** Of those, for whoever lets them run. */
  early: EarlyCopies;
  /** Why they fail, if they are to. */
  failure(guest: GuestHandle): string | undefined;
};

/** The copies of one simulated host. */
export function createSimulatedCopies({
  clock,
  lives,
  disksMs,
  starting,
  early,
  failure,
}: SimulatedCopiesOptions): GuestCopies {
  return {
    begin: async (guest, disks) => {
      const known = await lives.living(guest.id);
      const marks = [...new Set([...(known?.marks ?? []), ...disks.flatMap(({ mark }) => mark ?? [])])];
      const begun = { copiedAtMs: clock.now() + disksMs, ...(marks.length === 0 ? {} : { marks }) };
      if (known !== undefined) await lives.change({ ...known, ...begun });
      else if (starting(guest.id)) early.set(guest.id, begun);
      else throw copyFailed(`${guest.name} does not run`);
      return disks.map((disk) => begunBy(known?.marks ?? [], disk));
    },
    progress: async (guest) => {
      const known = await lives.living(guest.id);
      if (known?.copiedAtMs === undefined) throw copyFailed(`${guest.name} went off meanwhile`);
      const why = failure(guest);
      if (why !== undefined) throw copyFailed(why);
      const leftMs = Math.max(0, known.copiedAtMs - clock.now());
      return { done: leftMs === 0, copiedBytes: disksMs - leftMs, totalBytes: disksMs };
    },
    end: async (guest) => {
      const known = await lives.living(guest.id);
      if (known?.copiedAtMs === undefined) return;
      const { copiedAtMs: _, ...rest } = known;
      await lives.change(rest);
    },
    keepMarks: async (guest, names) => {
      const known = await lives.living(guest.id);
      if (known?.marks === undefined) return;
      await lives.change({ ...known, marks: known.marks.filter((mark) => names.includes(mark)) });
    },
  };
}

function begunBy(marks: readonly string[], { name, since = [] }: DiskCopy): CopyBegun {
  const best = since.find((mark) => marks.includes(mark));
  return { name, ...(best !== undefined ? { since: best } : since.length > 0 ? { lost: 'Gone' } : {}) };
}

function copyFailed(why: string): ReasonedError {
  return new ReasonedError('CopyFailed', `the disks of the running guest could not be copied: ${why}`);
}
