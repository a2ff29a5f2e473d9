/**
 * Gives an Operation the host that executes it, ends those that no host can execute, and deletes finished ones after their time to live.
 * What happens to the guest is the agent's work.
 */
import { STARTED_ANNOTATION } from '../../api/cluster.ts';
import { Operation, type OperationStatus } from '../../api/kinds/operation.ts';
import type { Stored } from '../../api/meta.ts';
import { done, stalled, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult, Trigger } from '../../runtime/contract.ts';
import type { StoredGuest } from '../guests.ts';
import { conditionsFor } from '../readiness.ts';

export type OperationSources = {
  operations: Informer<Operation>;
  guest(kind: 'VirtualMachine' | 'Container', key: string): StoredGuest | undefined;
};

type Phase = NonNullable<OperationStatus['phase']>;

export function operationController(
  sources: OperationSources,
  triggers: readonly Trigger[],
): Controller<Operation> {
  return {
    name: 'operations',
    kind: Operation,
    informer: sources.operations,
    writes: ['status'],
    access: [{ kind: Operation, verbs: ['delete'] }],
    selects: (operation) =>
      operation.status?.host === undefined || operation.status.completedAt !== undefined,
    triggers,
    reconcile: (pass) => assign(pass, sources),
  };
}

async function assign(pass: Pass<Operation>, sources: OperationSources): Promise<PassResult<Operation>> {
  const operation = pass.object;
  if (operation.metadata.deletionTimestamp !== undefined) return { outcome: done };
  if (operation.status?.completedAt !== undefined) return expire(pass);
  if (operation.status?.host !== undefined) return { outcome: done };
  if (isRestoredCopy(operation)) {
    return end(
      pass,
      'Skipped',
      'RestoredCopy',
      'this object is a restored copy of an operation that was executed before',
    );
  }
  const { guest: ref, action } = operation.spec;
  const late = deadline(operation) - pass.now;
  if (late <= 0)
    return end(pass, 'Failed', 'Expired', 'the operation could not begin within startDeadlineSeconds');

  const guest = sources.guest(ref.kind, `${operation.metadata.namespace ?? 'default'}/${ref.name}`);
  if (guest === undefined)
    return wait(pass, 'GuestNotFound', `${ref.kind} "${ref.name}" does not exist in this namespace`, late);
  const host = guest.status?.placement?.host;
  if (host !== undefined) {
    const status: OperationStatus = {
      ...operation.status,
      phase: operation.status?.phase ?? 'Pending',
      host,
    };
    return { outcome: done, status };
  }
  if (action === 'Start' && guest.spec.runStrategy === 'Halted') {
    return end(
      pass,
      'Failed',
      'RunStrategyHalted',
      'the runStrategy of the guest is Halted: change it to start the guest',
    );
  }
  if (action === 'Stop' || action === 'Shutdown')
    return end(pass, 'Succeeded', 'NotRunning', 'the guest does not run');
  if (action === 'Restart') return end(pass, 'Failed', 'NotRunning', 'the guest does not run: use Start');
  return wait(pass, 'WaitingForPlacement', 'the guest has no host yet', late);
}

function isRestoredCopy(operation: Stored<Operation>): boolean {
  const started = operation.metadata.annotations?.[STARTED_ANNOTATION];
  return started !== undefined && started !== `${operation.metadata.name}/${operation.metadata.uid}`;
}

function deadline(operation: Stored<Operation>): number {
  const created = Date.parse(operation.metadata.creationTimestamp ?? '');
  return created + (operation.spec.startDeadlineSeconds ?? 600) * 1000;
}

function wait(
  pass: Pass<Operation>,
  reason: string,
  message: string,
  afterMs: number,
): PassResult<Operation> {
  const outcome = waiting(reason, message, Math.max(afterMs, 1_000));
  const conditions = conditionsFor(pass.object, outcome, pass.now);
  return { outcome, status: { ...pass.object.status, phase: 'Pending', conditions } };
}

function end(pass: Pass<Operation>, phase: Phase, reason: string, message: string): PassResult<Operation> {
  const outcome = phase === 'Succeeded' || phase === 'Skipped' ? done : stalled(reason, message);
  const status: OperationStatus = {
    ...pass.object.status,
    ...(pass.object.metadata.generation === undefined
      ? {}
      : { observedGeneration: pass.object.metadata.generation }),
    phase,
    message,
    completedAt: `${new Date(pass.now).toISOString().slice(0, 19)}Z`,
    conditions: conditionsFor(pass.object, outcome, pass.now),
  };
  return { outcome: done, status };
}

async function expire(pass: Pass<Operation>): Promise<PassResult<Operation>> {
  const { spec, status, metadata } = pass.object;
  if (spec.ttlSecondsAfterFinished === undefined) return { outcome: done };
  const left = Date.parse(status?.completedAt ?? '') + spec.ttlSecondsAfterFinished * 1000 - pass.now;
  if (left > 0) return { outcome: waiting('TimeToLive', '', left) };
  await pass.client
    .delete(Operation, metadata, { uid: metadata.uid, signal: pass.signal })
    .catch((error: unknown) => {
      if (!(error instanceof ApiError && (error.code === 404 || error.code === 409))) throw error;
    });
  return { outcome: done };
}
