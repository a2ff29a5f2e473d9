/** The status of an Operation that this host executes. Pure. */
import type { Operation, OperationStatus } from '../../api/kinds/operation.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import type { OperationDecision } from './decide.ts';

/** Paths an agent writes; `status.host` is the manager's. */
export const OPERATION_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.conditions',
  'status.phase',
  'status.startedAt',
  'status.completedAt',
  'status.message',
];

export function operationStatus(
  { status = {}, metadata }: Stored<Operation>,
  decision: Exclude<OperationDecision, { type: 'accept' }>,
  now: number,
): OperationStatus {
  const at = `${new Date(now).toISOString().slice(0, 19)}Z`;
  const base: OperationStatus = {
    ...status,
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    conditions: conditionsOf(status.conditions ?? [], decision, at, metadata.generation),
    message: decision.message.slice(0, 1_024),
  };
  switch (decision.type) {
    case 'wait':
      return { ...base, phase: 'Pending' };
    case 'follow':
      return { ...base, phase: 'Running', startedAt: status.startedAt ?? at };
    case 'end':
      return { ...base, phase: decision.phase, completedAt: at };
  }
}

/** A failed job is Ready=False and Stalled=True; Reconciling and Stalled exist only while they are true (kstatus). */
function conditionsOf(
  before: readonly Condition[],
  decision: Exclude<OperationDecision, { type: 'accept' }>,
  at: string,
  generation: number | undefined,
): Condition[] {
  const make = (type: string, status: 'True' | 'False', reason: string): Condition => ({
    type,
    status,
    reason,
    message: decision.message,
    lastTransitionTime: at,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  });
  const foreign = before.filter(({ type }) => !['Ready', 'Reconciling', 'Stalled'].includes(type));
  if (decision.type !== 'end') {
    const reason = decision.type === 'wait' ? decision.reason : 'Running';
    return [...foreign, make('Ready', 'False', reason), make('Reconciling', 'True', reason)];
  }
  if (decision.phase === 'Failed') {
    return [...foreign, make('Ready', 'False', decision.reason), make('Stalled', 'True', decision.reason)];
  }
  return [...foreign, make('Ready', 'True', decision.reason)];
}
