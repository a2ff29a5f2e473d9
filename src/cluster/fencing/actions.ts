/**
 * Executes FenceActions: what is about to be done is stored before anything is switched, and just before it the Host and its Lease are read
 * again. After a crash an action that was under way is looked at and done again while its incident is open; one that is over never is.
 */
import { SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import { isOpen, refusalOf } from '../../api/fenceRefusal.ts';
import { FenceAction, type FenceActionSpec, type FenceActionStatus } from '../../api/kinds/fenceAction.ts';
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { type Clock, timeOf } from '../../base/clock.ts';
import { done, type Outcome, ReasonedError, stalled, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import { statusAfter } from '../../runtime/conditions.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { switchOff, switchOn } from './execute.ts';
import { surplusOf } from './history.ts';
import { trustedLevelsOf } from './levels.ts';
import type { FenceProbe, FenceSwitch } from './probe.ts';
import { crossExamine } from './trust.ts';

export type FenceActionSources = {
  /** Has the index `host`. */
  actions: Informer<FenceAction>;
  /** Has the index `host`. */
  devices: Informer<FenceDevice>;
  hosts: Informer<Host>;
  fence: FenceProbe & FenceSwitch;
  clock: Clock;
};

/** A device that does not switch a host on again is told so that often. */
const POWER_ON_AGAIN_MS = 60_000;
/** Longer than a self-fence takes to be proven, by times that are not far from the defaults. */
const DISCONNECTED_MOST_MS = 60_000;
/** An agent that works has told its pool by then. */
const EXECUTOR_MS = 8_000;
/** fence_ipmilan takes 3.6 s to switch off and look. */
const LEVEL_MS = 5_000;

export function fenceActionController(sources: FenceActionSources): Controller<FenceAction> {
  const { actions, hosts } = sources;
  const patience = createPatience(sources.clock);
  return {
    name: 'fence-actions',
    kind: FenceAction,
    informer: actions,
    writes: ['status'],
    access: [
      { kind: Host, verbs: ['get'] },
      { kind: Lease, verbs: ['get'], namespace: SYSTEM_NAMESPACE },
      { kind: FenceAction, verbs: ['delete'] },
    ],
    concurrency: 16,
    triggers: [
      // What a pass writes itself is no reason for another: this one is, for older ones go then.
      trigger(actions, ({ before, after }) =>
        after?.status?.completedAt !== undefined && before?.status?.completedAt === undefined
          ? [after.metadata.name]
          : [],
      ),
      trigger(hosts, ({ before, after }) => {
        const name = (after ?? before)?.metadata.name ?? '';
        const isNews = JSON.stringify(before?.status?.ha) !== JSON.stringify(after?.status?.ha);
        return isNews ? actions.byIndex('host', name).map(({ metadata }) => metadata.name) : [];
      }),
    ],
    reconcile: async (pass) => {
      const { metadata, spec, status } = pass.object;
      if (metadata.deletionTimestamp !== undefined) return { outcome: done };
      if (status?.completedAt !== undefined)
        await forget(surplusOf(actions.byIndex('host', spec.host), hosts.get(spec.host)), pass);
      switch (spec.method) {
        case 'Manual':
          return confirm(pass, sources);
        case 'Revoke':
          return giveUp(pass, patience(metadata.uid, status?.completedAt === undefined));
        default:
          return cutOff(pass, sources);
      }
    },
  };
}

async function forget(surplus: readonly Stored<FenceAction>[], { client, signal }: Pass<FenceAction>) {
  for (const { metadata } of surplus) {
    const { uid } = metadata;
    await client.delete(FenceAction, metadata, { uid, signal }).catch((error: unknown) => {
      if (!(error instanceof ApiError && (error.code === 404 || error.code === 409))) throw error;
    });
  }
}

async function cutOff(
  pass: Pass<FenceAction>,
  sources: FenceActionSources,
): Promise<PassResult<FenceAction>> {
  const { object, now, client, signal } = pass;
  const { spec, status } = object;
  if (status?.completedAt !== undefined) return lookAfter(pass, sources);
  const refusal = await refusalNow(pass);
  if (status?.startedAt === undefined) {
    if (refusal !== undefined) return over(pass, 'Refused', stalled('Refused', refusal));
    const started = { phase: 'Running', startedAt: timeOf(now) } as const;
    const what = spec.method === 'Disconnect' ? 'shut its ports' : 'switch the host off';
    const outcome = waiting('Switching', `${spec.devices?.join(', ')} ${what}`, 0);
    return { outcome, status: statusAfter(object, started, outcome, now) };
  }
  // Begun by a leader that is no more; what it may have switched off is switched on again.
  if (refusal !== undefined) return over(pass, 'Failed', stalled('IncidentOver', refusal));
  const tools = toolsOf(object, sources);
  // It takes seconds: when it was over is told from then.
  const ended = () => ({ object, now: tools.clock.now() });
  try {
    await switchOff(spec.host, spec.devices ?? [], {
      ...tools,
      ...patienceFor(spec, sources),
      client,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReasonedError)) throw error;
    pass.event('Warning', error.reason, error.message);
    return over(ended(), 'Failed', stalled(error.reason, error.message));
  }
  const [phase, is] = spec.method === 'Disconnect' ? DISCONNECTED : POWERED_OFF;
  pass.event('Normal', phase, `${spec.host} is ${is}, say ${spec.devices?.join(', ')}`);
  return over(ended(), phase, done);
}

/** While another level waits for its turn this one is not waited for long: what cut the power may have cut off the device, too. */
function patienceFor(
  { host: name, method, level = 0 }: FenceActionSpec,
  { hosts, devices }: FenceActionSources,
): { mostMs?: number } {
  const host = hosts.get(name);
  if (method !== 'PowerOff' || host === undefined) return {};
  const isLast = level + 1 >= trustedLevelsOf(host, devices.byIndex('host', name)).length;
  return isLast ? {} : { mostMs: LEVEL_MS };
}

const POWERED_OFF = ['PoweredOff', 'off'] as const;
const DISCONNECTED = ['Disconnected', 'disconnected'] as const;

function toolsOf({ spec }: FenceAction, { devices, clock, fence }: FenceActionSources) {
  const reach = spec.method === 'Disconnect' ? ('Fabric' as const) : ('Power' as const);
  return { reach, clock, fence, device: (name: string) => devices.get(name) };
}

/** Why nothing may be switched, by consistent reads, or undefined. */
function refusalNow({ object, client, signal }: Pass<FenceAction>): Promise<string | undefined> {
  return refusalOf(object.spec, {
    host: (ref) => client.find(Host, ref, { signal }),
    lease: (ref) => client.find(Lease, ref, { signal }),
  });
}

/** Of an action that is over: the host is switched on again, and was the word of the devices true? */
async function lookAfter(
  pass: Pass<FenceAction>,
  sources: FenceActionSources,
): Promise<PassResult<FenceAction>> {
  const { object } = pass;
  const { outcome, ...on } = await switchOnAgain(pass, sources);
  const { found, againMs } = await crossExamine(pass);
  if (found.contradictedAt !== undefined)
    pass.event(
      'Warning',
      'CalledOffWhatRan',
      `${object.spec.devices?.join(', ')} called ${object.spec.host} off, and it went on renewing its Lease`,
    );
  const isSooner = againMs !== undefined && (outcome.type !== 'waiting' || againMs < outcome.afterMs);
  return {
    outcome: isSooner ? waiting('Observed', '', againMs) : outcome,
    status: { ...object.status, ...on.status, ...found },
  };
}

/**
 * When the incident is over: a proof stands, or the host lives. A port also when it has been shut for long: nobody may be left to prove anything, and
 * the host may be what they lack.
 */
async function switchOnAgain(
  { object, now, client, signal }: Pass<FenceAction>,
  sources: FenceActionSources,
): Promise<PassResult<FenceAction>> {
  const { spec, status } = object;
  const isDue = status?.startedAt !== undefined && status.poweredOnAt === undefined;
  const host = sources.hosts.get(spec.host);
  if (!isDue || host === undefined) return { outcome: done };
  if (isOpen(host, spec)) {
    if (spec.method !== 'Disconnect') return { outcome: done };
    const leftMs = Date.parse(status.completedAt ?? '') + DISCONNECTED_MOST_MS - now;
    if (leftMs > 0) return { outcome: waiting('Disconnected', 'until the host is proven dead', leftMs) };
  }
  try {
    await switchOn(spec.host, spec.devices ?? [], { ...toolsOf(object, sources), client, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReasonedError)) throw error;
    return { outcome: waiting(error.reason, error.message, POWER_ON_AGAIN_MS) };
  }
  return { outcome: done, status: { ...status, poweredOnAt: timeOf(now) } };
}

/** How long this manager has waited for each action that an agent is to execute: what is stored tells nobody how long that is. */
function createPatience(clock: Clock): (uid: string, waits: boolean) => number {
  const since = new Map<string, number>();
  return (uid, waits) => {
    if (!waits) since.delete(uid);
    else if (!since.has(uid)) since.set(uid, clock.monotonic());
    return clock.monotonic() - (since.get(uid) ?? clock.monotonic());
  };
}

/** Its executor may be gone: then another one is asked. What that one has done all the same, or does later, it says itself. */
function giveUp(pass: Pass<FenceAction>, waitedMs: number): PassResult<FenceAction> {
  const { spec, status } = pass.object;
  if (status?.completedAt !== undefined) return { outcome: done };
  const message = `${spec.executor} is to take the pool ${spec.pool} from ${spec.host}`;
  if (waitedMs < EXECUTOR_MS) return { outcome: waiting('Revoking', message, EXECUTOR_MS - waitedMs) };
  const silent = `${message}, and has not said that it is done: another host is asked, if there is one`;
  pass.event('Warning', 'ExecutorSilent', silent);
  return over(pass, 'Failed', stalled('ExecutorSilent', silent));
}

/** A person's word counts for the incident that is open now, and is used up by it. */
async function confirm(
  pass: Pass<FenceAction>,
  { hosts }: FenceActionSources,
): Promise<PassResult<FenceAction>> {
  const { spec, status } = pass.object;
  if (status?.completedAt !== undefined) return { outcome: done };
  const host = hosts.get(spec.host);
  if (isOpen(host, spec)) {
    const outcome = waiting('Pending', 'counts when no peer of the host hears it', 60_000);
    return { outcome, status: statusAfter(pass.object, {}, outcome, pass.now) };
  }
  const proof = host?.status?.ha?.proof;
  const isUsed = proof?.kind === 'Manual' && proof.incident === spec.incident;
  return isUsed
    ? over(pass, 'Confirmed', done)
    : over(pass, 'Refused', stalled('IncidentOver', 'the incident was over before this word was needed'));
}

function over(
  { object, now }: Pick<Pass<FenceAction>, 'object' | 'now'>,
  phase: NonNullable<FenceActionStatus['phase']>,
  outcome: Outcome,
): PassResult<FenceAction> {
  const status = statusAfter(object, { phase, completedAt: timeOf(now) }, outcome, now);
  // Nothing is tried again: the engine asks for another one.
  return { outcome: done, status };
}
