/** The conditions of work that an object stands for: Ready at its end, with Reconciling or Stalled only while they are true (kstatus). Pure. */
import type { Condition } from '../api/meta.ts';

export type JobState = { type: 'UnderWay' | 'Ended' | 'Failed'; reason: string; message: string };

/** A failed job is Ready=False and Stalled=True. Conditions of others stay. */
export function jobConditions(
  before: readonly Condition[],
  { type, reason, message }: JobState,
  { at, generation }: { at: string; generation: number | undefined },
): Condition[] {
  const make = (name: string, status: 'True' | 'False'): Condition => ({
    type: name,
    status,
    reason,
    message,
    lastTransitionTime: at,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  });
  const foreign = before.filter((condition) => !['Ready', 'Reconciling', 'Stalled'].includes(condition.type));
  switch (type) {
    case 'UnderWay':
      return [...foreign, make('Ready', 'False'), make('Reconciling', 'True')];
    case 'Failed':
      return [...foreign, make('Ready', 'False'), make('Stalled', 'True')];
    case 'Ended':
      return [...foreign, make('Ready', 'True')];
  }
}
