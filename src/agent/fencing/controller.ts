/**
 * Takes pools from hosts that may be lost, as the FenceActions say that name this host. That it begins is stored first; what the Host and its Lease are
 * is read right before the pool is told. What was done is said also when nobody waited for it any more.
 */
import { Lease } from '../../api/core.ts';
import { refusalOf } from '../../api/fenceRefusal.ts';
import { FenceAction } from '../../api/kinds/fenceAction.ts';
import { Host } from '../../api/kinds/host.ts';
import { timeOf } from '../../base/clock.ts';
import { done, type Outcome, ReasonedError, stalled, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer, type Informers } from '../../client/contract.ts';
import type { Revocations } from '../../drivers/storage/contract.ts';
import { statusAfter } from '../../runtime/conditions.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { CONTROLLERS, REVOCATION_STATUS_PATHS } from '../access.ts';
import type { ControlPlane } from '../cluster/controlPlane.ts';
import type { Jobs } from '../jobs/beside.ts';
import type { PoolTable } from '../pools/table.ts';
import type { Taken } from './upkeep.ts';

export type RevocationDeps = {
  /** This host. */
  host: string;
  informer: Informer<FenceAction>;
  pools: Pick<PoolTable, 'get'>;
  controlPlane: Pick<ControlPlane, 'trust'>;
  jobs: Pick<Jobs, 'run'>;
  enqueue(controller: string, key: string): void;
};

/** It is called back at the end; this often it is looked whether that was missed. */
const FOLLOW_MS = 30_000;
/** A control plane or pool that is not known yet is looked at again after this. */
const RECHECK_MS = 1_000;

/** The informer of FenceActions by which pools are taken, whoever executes them, with the index of the pools they are about. */
export function revocationInformer(informers: Informers): Informer<FenceAction> {
  return informers.informer(FenceAction, {
    fieldSelector: 'spec.method=Revoke',
    indexes: { pool: ({ spec }) => (spec.pool === undefined ? [] : [spec.pool]) },
  });
}

/** Boots of hosts from which the pool was taken, by the API; `by`: whose agent did it. */
export function takenIn(informer: Informer<FenceAction>, pool: string): Taken[] {
  return informer
    .byIndex('pool', pool)
    .filter(({ status }) => status?.phase === 'Revoked')
    .map(({ spec: { host, bootID, executor = '' } }) => ({ host, bootID, by: executor }));
}

/** What a pool has answered, until it is stored; Working: it is being told by this process. */
type Answers = Map<string, 'Working' | { phase: 'Revoked' | 'Failed'; outcome: Outcome }>;

export function revocationController(deps: RevocationDeps): Controller<FenceAction> {
  const answers: Answers = new Map();
  return {
    name: CONTROLLERS.revocations,
    kind: FenceAction,
    informer: deps.informer,
    writes: REVOCATION_STATUS_PATHS,
    selects: ({ spec }) => spec.method === 'Revoke' && spec.executor === deps.host,
    concurrency: 8,
    reconcile: (pass) => execute(pass, deps, answers),
    gone: async (_key, { metadata }) => {
      answers.delete(metadata.uid);
      return done;
    },
  };
}

async function execute(
  pass: Pass<FenceAction>,
  deps: RevocationDeps,
  answers: Answers,
): Promise<PassResult<FenceAction>> {
  const { metadata, spec, status } = pass.object;
  const known = answers.get(metadata.uid);
  if (known === undefined && status?.completedAt !== undefined) return { outcome: done };
  if (known === undefined && status?.startedAt === undefined) return begin(pass, deps);
  const { pool = '' } = spec;
  // Begun by an agent that is no more: this one has just been started.
  if (known === undefined && deps.pools.get(pool) === undefined) return { outcome: notOpen(pool) };
  const answer = known === undefined || known === 'Working' ? await tell(pass, deps, answers) : known;
  if (answer === 'Working') return { outcome: waiting('Revoking', '', FOLLOW_MS) };
  answers.set(metadata.uid, answer);
  // It may have come late: then the host lives in another boot by now, and is given back what it needs.
  deps.enqueue(CONTROLLERS.pools, pool);
  const isSaid =
    status?.completedAt !== undefined && (status.phase === 'Revoked' || answer.phase === 'Failed');
  if (!isSaid) return over(pass, answer.phase, answer.outcome);
  answers.delete(metadata.uid);
  return { outcome: done };
}

/** Nothing is told before it is stored that it may be. */
async function begin(pass: Pass<FenceAction>, deps: RevocationDeps): Promise<PassResult<FenceAction>> {
  const { object, now, signal } = pass;
  // What an older copy of the API says is looked into is not.
  if (deps.controlPlane.trust().type !== 'Trusted')
    return { outcome: waiting('ControlPlaneUnknown', '', RECHECK_MS) };
  const { pool = '' } = object.spec;
  if (deps.pools.get(pool) === undefined) return { outcome: notOpen(pool) };
  if (revocationsOf(deps, pool) === undefined) return over(pass, 'Refused', unusable(pool));
  const refused = await refusalNow(pass, signal);
  if (refused !== undefined) return over(pass, 'Refused', stalled('Refused', refused));
  const outcome = waiting('Revoking', `the pool ${pool} is told`, 0);
  const started = { phase: 'Running', startedAt: timeOf(now) } as const;
  return { outcome, status: statusAfter(object, started, outcome, now) };
}

async function tell(
  pass: Pass<FenceAction>,
  deps: RevocationDeps,
  answers: Answers,
): Promise<'Working' | { phase: 'Revoked' | 'Failed'; outcome: Outcome }> {
  const { metadata, spec } = pass.object;
  const revocations = revocationsOf(deps, spec.pool);
  if (revocations === undefined) return { phase: 'Failed', outcome: unusable(spec.pool) };
  answers.set(metadata.uid, 'Working');
  try {
    const told = await deps.jobs.run(
      `fence/${metadata.uid}`,
      'revoke',
      async (signal) => {
        const refused = await refusalNow(pass, signal);
        if (refused !== undefined) return refused;
        // Storage that hangs must not keep the agent from ending.
        await Promise.race([revocations.revoke({ host: spec.host, bootID: spec.bootID }), aborted(signal)]);
        return undefined;
      },
      () => deps.enqueue(CONTROLLERS.revocations, metadata.name),
    );
    if (told === undefined) return 'Working';
    if (told.value !== undefined) return { phase: 'Failed', outcome: stalled('IncidentOver', told.value) };
    pass.event('Normal', 'Revoked', `the pool ${spec.pool} takes no write of ${spec.host} any more`);
    return { phase: 'Revoked', outcome: done };
  } catch (error) {
    answers.delete(metadata.uid);
    pass.signal.throwIfAborted();
    if (error instanceof ApiError) throw error;
    const { reason, message } =
      error instanceof ReasonedError ? error : { reason: 'PoolUnusable', message: String(error) };
    pass.event('Warning', reason, message);
    return { phase: 'Failed', outcome: stalled(reason, message) };
  }
}

/** Why the pool is not to be told, by consistent reads, or undefined. */
function refusalNow(
  { object, client }: Pick<Pass<FenceAction>, 'object' | 'client'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  return refusalOf(object.spec, {
    host: (ref) => client.find(Host, ref, { signal }),
    lease: (ref) => client.find(Lease, ref, { signal }),
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

function notOpen(pool: string): Outcome {
  return waiting('StoragePoolNotReady', `the pool ${pool} is being opened`, RECHECK_MS);
}

function unusable(pool = ''): Outcome {
  const message = `the pool ${pool} cannot be used on this host: see status.pools of the Host`;
  return stalled('StoragePoolNotReady', message);
}

function revocationsOf({ pools }: RevocationDeps, name = ''): Revocations | undefined {
  const pool = pools.get(name);
  return pool?.type === 'Open' ? pool.driver.revocations : undefined;
}

function over(
  { object, now }: Pass<FenceAction>,
  phase: 'Revoked' | 'Failed' | 'Refused',
  outcome: Outcome,
): PassResult<FenceAction> {
  // Nothing is tried again: the engine asks for another one.
  return { outcome: done, status: statusAfter(object, { phase, completedAt: timeOf(now) }, outcome, now) };
}
