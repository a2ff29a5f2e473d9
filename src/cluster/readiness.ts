/** Ready, Reconciling and Stalled from an outcome, for kinds whose whole state is that one question. Pure; kstatus rules. */
import type { Condition, KubeObject, Stored } from '../api/meta.ts';
import type { Outcome } from '../base/outcome.ts';
import { removeCondition, setCondition } from '../runtime/conditions.ts';

type WithConditions = KubeObject<unknown, { conditions?: Condition[] }>;

/** The object's conditions with Ready set, and Reconciling or Stalled only while they are true. */
export function jobConditions(object: Stored<WithConditions>, outcome: Outcome, now: number): Condition[] {
  const at = {
    now,
    ...(object.metadata.generation === undefined ? {} : { generation: object.metadata.generation }),
  };
  const conditions = removeCondition(
    removeCondition([...(object.status?.conditions ?? [])], 'Reconciling'),
    'Stalled',
  );
  if (outcome.type === 'done') {
    return setCondition(conditions, { type: 'Ready', status: 'True', reason: 'Ready', message: '' }, at);
  }
  const { reason, message } = outcome;
  const unready = setCondition(conditions, { type: 'Ready', status: 'False', reason, message }, at);
  const type = outcome.type === 'stalled' ? 'Stalled' : 'Reconciling';
  return setCondition(unready, { type, status: 'True', reason, message }, at);
}
