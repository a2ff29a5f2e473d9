/**
 * How well each host suits guests that ask for the same, kept host by host until what is promised there changes: ten thousand guests of
 * twenty sizes cost one look at each host a size, and one at each host that has taken a guest since.
 */
import { breaksTie } from './choose.ts';
import type { Allocation } from './ledger.ts';

/** A host as it stands for a guest; `allocated` is always the same object for a host. */
export type Candidate = { offer: { name: string }; allocated: Readonly<Allocation> };

/** Score of a candidate, from 0 to 1; below 0: it does not take the guest. */
export type Rate<C extends Candidate> = (candidate: C) => number;

export type Columns<C extends Candidate> = {
  /**
   * The best of the candidates, or undefined when none takes the guest. Guests with one `key` get the same rate of every candidate as long as
   * nothing changes there; undefined: the guest is like no other. Another list of candidates is asked anew.
   */
  best(key: string | undefined, candidates: readonly C[], rate: Rate<C>): C | undefined;
};

/** `asked[i]` is what `changes` was when candidate i was rated last. */
type Column<C> = { candidates: readonly C[]; asked: Float64Array; scores: Float64Array };

/** Kinds of guests whose rates are kept: of 500 hosts 8 KiB each. */
const KEPT = 256;

export function createColumns<C extends Candidate>(): Columns<C> {
  const columns = new Map<string, Column<C>>();

  const keptColumn = (key: string, candidates: readonly C[]): Column<C> => {
    const known = columns.get(key);
    if (known?.candidates === candidates) return known;
    const oldest = columns.size < KEPT ? undefined : columns.keys().next().value;
    if (oldest !== undefined) columns.delete(oldest);
    const column = newColumn(candidates);
    columns.set(key, column);
    return column;
  };

  return {
    best: (key, candidates, rate) =>
      bestOf(key === undefined ? newColumn(candidates) : keptColumn(key, candidates), rate),
  };
}

function newColumn<C>(candidates: readonly C[]): Column<C> {
  const { length } = candidates;
  return { candidates, asked: new Float64Array(length).fill(-1), scores: new Float64Array(length) };
}

function bestOf<C extends Candidate>({ candidates, asked, scores }: Column<C>, rate: Rate<C>): C | undefined {
  let best: C | undefined;
  let highest = 0;
  for (let index = 0; index < candidates.length; index += 1) {
    const candidate = candidates[index];
    if (candidate === undefined) continue;
    const { changes } = candidate.allocated;
    if (asked[index] !== changes) {
      scores[index] = rate(candidate);
      asked[index] = changes;
    }
    const score = scores[index] ?? -1;
    if (score < highest || (score === highest && best !== undefined && !wins(candidate, best))) continue;
    best = candidate;
    highest = score;
  }
  return best;
}

/** Of two that suit a guest equally well; asked so often that nothing is made for it. */
function wins(a: Candidate, b: Candidate): boolean {
  return breaksTie(a.offer.name, a.allocated.guests, b.offer.name, b.allocated.guests);
}
