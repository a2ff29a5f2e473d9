/** Which of the hosts that can take a guest takes it: one table, each entry from 0, bad, to 1, with its weight. Pure. */
import { isTolerated, type Promises } from './filters.ts';
import type { Offer } from './offer.ts';
import type { Want } from './want.ts';

export type Score = {
  name: string;
  weight: number;
  rate(offer: Offer, want: Want, promises: Promises): number;
};

export const SCORES: readonly Score[] = [
  /** Emptier hosts first; memory is what runs out for good. */
  { name: 'Balance', weight: 100, rate: balance },
  /** Guests that ask for nothing are shared out too. */
  { name: 'Count', weight: 100, rate: (_, _want, { allocated }) => 1 / (1 + allocated.guests) },
  /** Weak enough that one image does not draw all guests to one host. */
  { name: 'Images', weight: 10, rate: imagesHere },
  /** Where it is already: a move has to be worth it. */
  { name: 'Stay', weight: 20, rate: ({ name }, { at }) => (name === at ? 1 : 0) },
  { name: 'Neighbours', weight: 200, rate: ({ name }, _, { standing }) => standing.preference(name) },
  /** Where its HAGroup would have it moved to later. */
  { name: 'Group', weight: 300, rate: ({ name }, { preference }) => preference.get(name) ?? 0 },
  { name: 'Taints', weight: 400, rate: softTaints },
];

const WEIGHTS = SCORES.reduce((sum, { weight }) => sum + weight, 0);

/** From 0 to 1. */
export function rate(offer: Offer, want: Want, promises: Promises): number {
  let sum = 0;
  for (const score of SCORES) sum += score.weight * score.rate(offer, want, promises);
  return sum / WEIGHTS;
}

function balance({ cpus, memoryBytes }: Offer, want: Want, { allocated }: Promises): number {
  const memory = shareLeft(memoryBytes, allocated.memoryBytes + want.memoryBytes);
  return (3 * memory + shareLeft(cpus, allocated.cpus + want.cpus)) / 4;
}

function shareLeft(of: number, taken: number): number {
  return of <= 0 ? 0 : Math.max(0, 1 - taken / of);
}

function imagesHere({ images }: Offer, want: Want): number {
  if (want.images.length === 0) return 1;
  return want.images.filter((name) => images.has(name)).length / want.images.length;
}

function softTaints({ taints }: Offer, { shape }: Want): number {
  if (taints.length === 0) return 1;
  const soft = taints.filter(
    (taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(taint, shape.tolerations),
  );
  return 1 / (1 + soft.length);
}
