/** What a pass over a job of this host came to, and the status that says so. Pure. */
import type { Condition, KubeObject, Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import { readiness } from '../../runtime/conditions.ts';
import type { PassResult } from '../../runtime/contract.ts';

/** Paths an agent writes; `status.host` is the manager's. */
export const JOB_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.conditions',
  'status.phase',
  'status.startedAt',
  'status.completedAt',
  'status.message',
];

/** The same of a job that says how much of its work is done. */
export const COPYING_STATUS_PATHS: readonly string[] = [...JOB_STATUS_PATHS, 'status.progress'];

/** How jobs of all kinds may end. */
export type JobPhase = 'Succeeded' | 'Failed' | 'Skipped';

export type JobEnd<Phase extends string = JobPhase> = {
  type: 'end';
  phase: Phase;
  reason: string;
  message: string;
};

/** Not begun; looked at again after `afterMs`, or when something tells. */
export type JobWait = { type: 'wait'; reason: string; message: string; afterMs: number };

export type JobStep<Phase extends string = JobPhase> =
  /** Nothing new is said. `afterMs`: what would change that tells nobody. */
  | { type: 'rest'; afterMs?: number }
  | JobWait
  /** Under way. `reason`: what it is held up by. */
  | { type: 'follow'; message: string; afterMs: number; reason?: string }
  | JobEnd<Phase>;

type JobStatus = {
  observedGeneration?: number;
  conditions?: Condition[];
  phase?: string;
  startedAt?: string;
  completedAt?: string;
  message?: string;
};

/** A decision that ends a job. */
export function jobEnd<Phase extends string>(phase: Phase, reason: string, message: string): JobEnd<Phase> {
  return { type: 'end', phase, reason, message };
}

/** What the pass hands to the engine. `now`: wall clock, milliseconds; `more`: what else its status says. */
export function jobResult<T extends KubeObject<unknown, JobStatus>>(
  object: Stored<T>,
  step: JobStep<string>,
  now: number,
  more?: Partial<T['status']>,
): PassResult<T> {
  const outcome = outcomeOf(step);
  if (step.type !== 'rest')
    return { outcome, status: { ...statusOf(object, step, now), ...more } as T['status'] };
  return more === undefined ? { outcome } : { outcome, status: { ...object.status, ...more } as T['status'] };
}

function outcomeOf(step: JobStep<string>): Outcome {
  switch (step.type) {
    case 'rest':
      return step.afterMs === undefined ? done : waiting('Again', '', step.afterMs);
    case 'wait':
      return waiting(step.reason, step.message, step.afterMs);
    case 'follow':
      return waiting(step.reason ?? 'Running', step.message, step.afterMs);
    case 'end':
      return done;
  }
}

function statusOf(
  { status, metadata }: Stored<KubeObject<unknown, JobStatus>>,
  step: Exclude<JobStep<string>, { type: 'rest' }>,
  now: number,
): JobStatus {
  const at = timeOf(now);
  const { generation } = metadata;
  const base = {
    ...status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: jobConditions(status?.conditions, step, { now, generation }),
    message: step.message.slice(0, 1_024),
  };
  switch (step.type) {
    case 'wait':
      return { ...base, phase: 'Pending' };
    case 'follow':
      return { ...base, phase: 'Running', startedAt: status?.startedAt ?? at };
    case 'end':
      return { ...base, phase: step.phase, completedAt: at };
  }
}

/** Ready at its end, with Reconciling or Stalled while they are true (kstatus); a failed job is Stalled. Conditions of others stay. */
export function jobConditions(
  before: readonly Condition[] = [],
  step: Exclude<JobStep<string>, { type: 'rest' }>,
  at: { now: number; generation: number | undefined },
): Condition[] {
  const { message } = step;
  const reason = step.reason ?? 'Running';
  const isBad = step.type === 'end' && (step.phase === 'Failed' || step.phase === 'Lost');
  const outcome = step.type !== 'end' ? waiting(reason, message) : isBad ? stalled(reason, message) : done;
  return readiness(before, outcome, { status: 'True', reason, message }, at);
}
