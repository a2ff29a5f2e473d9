/**
 * Conditions as pure lists. Summaries follow kstatus (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus):
 * `Ready` is always there; `Reconciling` and `Stalled` exist only while True.
 */
import type { Condition } from '../api/meta.ts';
import { timeOf } from '../base/clock.ts';
import type { Outcome } from '../base/outcome.ts';

export type ConditionInput = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** `now` in milliseconds since the epoch; `generation` of the object the condition speaks about. */
export type ConditionContext = { now: number; generation?: number | undefined };

/** API servers refuse longer ones: metav1.Condition, `maxLength`. */
const LONGEST_MESSAGE = 32_768;

/** The list with this condition in it, in its old place or at the end; lastTransitionTime moves only with the status. */
export function setCondition(
  conditions: readonly Condition[],
  input: ConditionInput,
  { now, generation }: ConditionContext,
): Condition[] {
  const old = conditions.find(({ type }) => type === input.type);
  const fresh: Condition = {
    type: input.type,
    status: input.status,
    reason: input.reason,
    message: input.message.slice(0, LONGEST_MESSAGE),
    lastTransitionTime: old?.status === input.status ? old.lastTransitionTime : timeOf(now),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  if (old === undefined) return [...conditions, fresh];
  return conditions.map((condition) => (condition === old ? fresh : condition));
}

/** The list without this condition. */
export function removeCondition(conditions: readonly Condition[], type: string): Condition[] {
  return conditions.filter((condition) => condition.type !== type);
}

/** The condition of this type, or undefined. */
export function findCondition(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

function summaryOf(outcome: Outcome, ready: Omit<ConditionInput, 'type'>): ConditionInput[] {
  switch (outcome.type) {
    case 'done':
      return [{ type: 'Ready', ...ready }];
    case 'waiting':
    case 'failed': {
      const { reason, message } = outcome;
      return [
        { type: 'Ready', status: 'False', reason, message },
        { type: 'Reconciling', status: 'True', reason, message },
      ];
    }
    case 'stalled': {
      const { reason, message } = outcome;
      return [
        { type: 'Ready', status: 'False', reason, message },
        { type: 'Stalled', status: 'True', reason, message },
      ];
    }
    default:
      return outcome satisfies never;
  }
}

/**
 * The list with Ready, Reconciling and Stalled as the outcome says: done gives Ready as in `ready`; waiting and failed are
 * not ready and reconciling; stalled is not ready and stalled.
 */
export function readiness(
  conditions: readonly Condition[],
  outcome: Outcome,
  ready: Omit<ConditionInput, 'type'>,
  context: ConditionContext,
): Condition[] {
  const summary = summaryOf(outcome, ready);
  const kept = ['Reconciling', 'Stalled']
    .filter((type) => !summary.some((condition) => condition.type === type))
    .reduce<readonly Condition[]>(removeCondition, conditions);
  return summary.reduce<Condition[]>((list, condition) => setCondition(list, condition, context), [...kept]);
}

type Phased = { phase?: string | undefined; observedGeneration?: number; conditions?: Condition[] };

/** The status after a change that was decided at `now`: Ready by the outcome, with the phase as its reason once all is done. */
export function statusAfter<S extends Phased>(
  { metadata: { generation }, status }: { metadata: { generation?: number }; status?: S },
  change: S,
  outcome: Outcome,
  now: number,
): S {
  const after = { ...status, ...change };
  const ready = { status: 'True', reason: after.phase ?? 'Done', message: '' } as const;
  return {
    ...after,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: readiness(status?.conditions ?? [], outcome, ready, { now, generation }),
  };
}
