/** The status of an Operation that this host executes. Pure. */
import type { Operation, OperationStatus } from '../../api/kinds/operation.ts';
import type { Stored } from '../../api/meta.ts';
import { type JobState, jobConditions } from '../jobConditions.ts';
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
    conditions: jobConditions(status.conditions ?? [], stateOf(decision), {
      at,
      generation: metadata.generation,
    }),
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

function stateOf(decision: Exclude<OperationDecision, { type: 'accept' }>): JobState {
  const { message } = decision;
  if (decision.type === 'follow') return { type: 'UnderWay', reason: 'Running', message };
  const { reason } = decision;
  if (decision.type === 'wait') return { type: 'UnderWay', reason, message };
  return { type: decision.phase === 'Failed' ? 'Failed' : 'Ended', reason, message };
}
