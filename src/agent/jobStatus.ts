/** The status of a job that this host executes for a guest: an Operation, a Rollback or a Restore, from what was decided about it. Pure. */
import type { Condition, ObjectMeta } from '../api/meta.ts';
import { type JobState, jobConditions } from './jobConditions.ts';

/** Paths an agent writes; `status.host` is the manager's. */
export const JOB_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.conditions',
  'status.phase',
  'status.startedAt',
  'status.completedAt',
  'status.message',
];

/** What was decided, in so far as it shows. */
export type JobSaid<Phase extends string> =
  | { type: 'wait'; reason: string; message: string }
  | { type: 'follow'; message: string }
  | { type: 'end'; phase: Phase; reason: string; message: string };

type JobStatus<Phase extends string> = {
  observedGeneration?: number;
  conditions?: Condition[];
  phase?: Phase | 'Pending' | 'Running';
  startedAt?: string;
  completedAt?: string;
  message?: string;
  host?: string;
};

/** `now`: wall clock, milliseconds. */
export function jobStatus<Phase extends string>(
  { status, metadata }: { status?: JobStatus<Phase>; metadata: Pick<ObjectMeta, 'generation'> },
  said: JobSaid<Phase>,
  now: number,
): JobStatus<Phase> {
  const at = `${new Date(now).toISOString().slice(0, 19)}Z`;
  const { generation } = metadata;
  const base = {
    ...status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: jobConditions(status?.conditions ?? [], stateOf(said), { at, generation }),
    message: said.message.slice(0, 1_024),
  };
  switch (said.type) {
    case 'wait':
      return { ...base, phase: 'Pending' };
    case 'follow':
      return { ...base, phase: 'Running', startedAt: status?.startedAt ?? at };
    case 'end':
      return { ...base, phase: said.phase, completedAt: at };
  }
}

function stateOf(said: JobSaid<string>): JobState {
  const { message } = said;
  if (said.type === 'follow') return { type: 'UnderWay', reason: 'Running', message };
  const { reason } = said;
  if (said.type === 'wait') return { type: 'UnderWay', reason, message };
  return { type: said.phase === 'Failed' ? 'Failed' : 'Ended', reason, message };
}
