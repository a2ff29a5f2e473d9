/** What the cluster does for jobs of every kind: gives each its host or says why not yet, ends what no host will end, deletes those whose time is over. */
import type { Condition, KindRef, KubeObject, Stored } from '../api/meta.ts';
import { timeOf } from '../base/clock.ts';
import { done, type Outcome, stalled, waiting } from '../base/outcome.ts';
import { ApiError, type Informer } from '../client/contract.ts';
import type { Controller, Pass, PassResult, Trigger } from '../runtime/contract.ts';
import { conditionsFor } from './readiness.ts';

type JobStatus = {
  observedGeneration?: number;
  conditions?: Condition[];
  phase?: string;
  host?: string;
  completedAt?: string;
  message?: string;
};

/** One that its host executes and that goes when its time is over. */
export type Job = KubeObject<{ ttlSecondsAfterFinished?: number }, JobStatus>;

export type JobDecision =
  | { type: 'rest' }
  | { type: 'assign'; host: string }
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  | { type: 'end'; phase: 'Succeeded' | 'Failed' | 'Lost' | 'Skipped'; reason: string; message: string };

/** A decision that ends a job. */
export function jobEnd<P extends (JobDecision & { type: 'end' })['phase']>(
  phase: P,
  reason: string,
  message: string,
) {
  return { type: 'end', phase, reason, message } as const;
}

/** The controller of jobs of one kind; `decide` is asked of those that have not ended. */
export function jobController<T extends Job>(
  name: string,
  kind: KindRef<T>,
  informer: Informer<T>,
  { triggers, decide }: { triggers: readonly Trigger[]; decide(pass: Pass<T>): JobDecision },
): Controller<T> {
  return {
    name,
    kind,
    informer,
    writes: ['status'],
    access: [{ kind, verbs: ['delete'] }],
    triggers,
    reconcile: async (pass) => {
      const { status, metadata, spec } = pass.object;
      if (metadata.deletionTimestamp !== undefined) return { outcome: done };
      if (status?.completedAt !== undefined) return expire(kind, pass);
      const decision = decide(pass);
      const said = sayOfJob(pass, decision, { completedAt: timeOf(pass.now) });
      const ttl = spec.ttlSecondsAfterFinished;
      if (decision.type !== 'end' || ttl === undefined) return said;
      return { ...said, outcome: waiting('TimeToLive', '', ttl * 1_000 + 50) };
    },
  };
}

/** What was decided, as outcome and status. `atEnd`: what else is written when it ends. */
export function sayOfJob<T extends KubeObject<unknown, JobStatus>>(
  { object, now }: Pick<Pass<T>, 'object' | 'now'>,
  decision: JobDecision,
  atEnd: { completedAt?: string; host?: string } = {},
): PassResult<T> {
  const { generation } = object.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const status = (more: JobStatus): T['status'] => ({ ...object.status, ...more }) as T['status'];
  switch (decision.type) {
    case 'rest':
      return { outcome: done };
    case 'assign':
      return { outcome: done, status: status({ phase: 'Pending', host: decision.host }) };
    case 'wait': {
      const { reason, message, afterMs } = decision;
      const outcome = waiting(reason, message, Math.max(afterMs, 1_000));
      const conditions = conditionsFor(object as Stored<Job>, outcome, now);
      return { outcome, status: status({ ...observed, phase: 'Pending', message, conditions }) };
    }
    case 'end': {
      const { phase, reason, message } = decision;
      const isWell = phase === 'Skipped' || phase === 'Succeeded';
      const outcome: Outcome = isWell ? done : stalled(reason, message);
      const conditions = conditionsFor(object as Stored<Job>, outcome, now);
      return { outcome: done, status: status({ ...observed, phase, message, conditions, ...atEnd }) };
    }
  }
}

async function expire<T extends Job>(kind: KindRef<T>, pass: Pass<T>): Promise<PassResult<T>> {
  const { spec, status, metadata } = pass.object;
  if (spec.ttlSecondsAfterFinished === undefined) return { outcome: done };
  const leftMs = Date.parse(status?.completedAt ?? '') + spec.ttlSecondsAfterFinished * 1_000 - pass.now;
  if (leftMs > 0) return { outcome: waiting('TimeToLive', '', leftMs) };
  await pass.client
    .delete(kind, metadata, { uid: metadata.uid, signal: pass.signal })
    .catch((error: unknown) => {
      if (!(error instanceof ApiError && (error.code === 404 || error.code === 409))) throw error;
    });
  return { outcome: done };
}
