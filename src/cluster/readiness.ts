/** Conditions of kinds whose whole state is one question: Ready, with Reconciling or Stalled while it is not. Pure. */
import type { Condition, KubeObject, Stored } from '../api/meta.ts';
import type { Outcome } from '../base/outcome.ts';
import { readiness } from '../runtime/conditions.ts';

type WithConditions = KubeObject<unknown, { conditions?: Condition[] }>;

/** The object's conditions as the outcome says; `done` is Ready. */
export function conditionsFor(object: Stored<WithConditions>, outcome: Outcome, now: number): Condition[] {
  const ready = { status: 'True', reason: 'Ready', message: '' } as const;
  return readiness(object.status?.conditions ?? [], outcome, ready, {
    now,
    generation: object.metadata.generation,
  });
}
