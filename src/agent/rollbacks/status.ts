/** The status of a Rollback that this host executes. Pure. */
import type { Rollback, RollbackStatus } from '../../api/kinds/rollback.ts';
import type { Stored } from '../../api/meta.ts';
import { type JobState, jobConditions } from '../jobConditions.ts';
import type { RollbackDecision } from './decide.ts';

/** Paths an agent writes; `status.host` is the manager's. */
export const ROLLBACK_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.conditions',
  'status.phase',
  'status.startedAt',
  'status.completedAt',
  'status.message',
];

export type RollbackSaid = Extract<RollbackDecision, { type: 'end' | 'wait' | 'follow' }>;

export function rollbackStatus(
  { status = {}, metadata }: Stored<Rollback>,
  said: RollbackSaid,
  now: number,
): RollbackStatus {
  const at = `${new Date(now).toISOString().slice(0, 19)}Z`;
  const base: RollbackStatus = {
    ...status,
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    conditions: jobConditions(status.conditions ?? [], stateOf(said), {
      at,
      generation: metadata.generation,
    }),
    message: said.message.slice(0, 1_024),
  };
  switch (said.type) {
    case 'wait':
      return { ...base, phase: 'Pending' };
    case 'follow':
      return { ...base, phase: 'Running', startedAt: status.startedAt ?? at };
    case 'end':
      return { ...base, phase: said.phase, completedAt: at };
  }
}

function stateOf(said: RollbackSaid): JobState {
  const { message } = said;
  if (said.type === 'follow') return { type: 'UnderWay', reason: 'Running', message };
  if (said.type === 'wait') return { type: 'UnderWay', reason: said.reason, message };
  return { type: said.phase === 'Failed' ? 'Failed' : 'Ended', reason: said.reason, message };
}
