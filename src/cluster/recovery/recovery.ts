/**
 * High availability while a ClusterPolicy exists: a pass over it is one round. Nothing that is decided stands in memory: what this manager has seen
 * of the Leases itself, and since when, is all it forgets when another leads.
 */
import { POLICY_FINALIZER, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import { safeTimingsOf } from '../../api/haPolicy.ts';
import { DEFAULT_HA_TIMINGS } from '../../api/haTimings.ts';
import { ClusterPolicy, type ClusterPolicyStatus } from '../../api/kinds/clusterPolicy.ts';
import { Container } from '../../api/kinds/container.ts';
import { FenceAction } from '../../api/kinds/fenceAction.ts';
import type { Host } from '../../api/kinds/host.ts';
import { Host as HostKind } from '../../api/kinds/host.ts';
import { Migration } from '../../api/kinds/migration.ts';
import { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import { readiness } from '../../runtime/conditions.ts';
import type { Access, Controller, Pass, PassResult } from '../../runtime/contract.ts';
import type { StoredGuest } from '../guests.ts';
import { createCopiedLeases } from '../ha/copies.ts';
import { createObserver, type Observer } from '../ha/observer.ts';
import { createTurns } from '../ha/turns.ts';
import { createSorter } from './crowd.ts';
import { guestId } from './guestViews.ts';
import { readLeases } from './leases.ts';
import { withRedundancy } from './redundancy.ts';
import { forgetAll, type RoundSources, runRound } from './round.ts';
import { nextVotes, votesWait, withVoteless, withVotesWaiting } from './votes.ts';

export type RecoverySources = RoundSources & {
  policies: Informer<ClusterPolicy>;
  /** The object as the informers show it now. */
  current(object: Stored<Host> | StoredGuest): Stored<Host> | StoredGuest | undefined;
  clock: Clock;
  /** The host whose machine runs the embedded API server. */
  embeddedOn?: string;
  /** Hosts that have seen a later control plane than this one: the API was restored from an older copy. */
  ahead(): readonly string[];
  /** Hosts that have not said what they have since the API was restored. */
  unreported(): readonly string[];
};

/** A write that is not seen by then has been overtaken: its compare-and-swap, and that of whoever was first, keep things right. */
const UNSEEN_LIMIT_MS = 2_000;
const AGAIN_MS = 50;
const REQUEST_TIMEOUT_MS = 2_000;
/** Hosts that are well count by a new table within two seconds: of that nobody is told. */
const VOTES_LATE_MS = 10_000;

const WATCHING = { status: 'True', reason: 'Watching', message: 'hosts are watched' } as const;
const PAUSED = {
  Freeze: paused('and guests with ha move for nobody'),
  Ignore: paused('and guests with ha move for people and maintenance only'),
} as const;

const ACCESS: readonly Access[] = [
  { kind: Lease, verbs: ['list'], namespace: SYSTEM_NAMESPACE },
  { kind: HostKind, verbs: ['get'] },
  { kind: HostKind, verbs: ['patch'], subresource: 'status' },
  { kind: VirtualMachine, verbs: ['patch'], subresource: 'status' },
  { kind: Container, verbs: ['patch'], subresource: 'status' },
  { kind: FenceAction, verbs: ['create'] },
  { kind: Migration, verbs: ['create'] },
];

export function recoveryRounds(sources: RecoverySources): Controller<ClusterPolicy> {
  const { clock } = sources;
  const sort = createSorter(sources.membership);
  const turns = { told: createTurns(), decided: createTurns() };
  let timings = DEFAULT_HA_TIMINGS;
  let watched: { uid: string; observer: Observer; since: Map<string, number> } | undefined;
  const copied = createCopiedLeases();
  const unseen = new Map<string, { object: Stored<Host> | StoredGuest; at: number }>();

  /** A policy made anew is watched anew. */
  function watching(uid: string): { observer: Observer; since: Map<string, number> } {
    if (watched?.uid !== uid) watched = { uid, observer: createObserver(() => timings), since: new Map() };
    return watched;
  }

  /** Informers have not shown yet what was written in the last round. */
  function isStale(): boolean {
    for (const [key, { object, at }] of unseen) {
      const isSeen = sources.current(object)?.metadata.resourceVersion !== object.metadata.resourceVersion;
      if (isSeen || clock.monotonic() - at > UNSEEN_LIMIT_MS) unseen.delete(key);
    }
    return unseen.size > 0;
  }

  async function round(pass: Pass<ClusterPolicy>): Promise<PassResult<ClusterPolicy>> {
    const { object: policy, client, signal, now } = pass;
    const safe = safeTimingsOf(policy.spec);
    if ('broken' in safe) {
      const outcome = stalled(
        'TimingsUnsafe',
        `change spec.timings, nothing is done by these: ${safe.broken.join('; ')}`,
      );
      return { outcome, status: statusOf(policy, outcome, now) };
    }
    timings = safe.timings;
    const { observer, since } = watching(policy.metadata.uid);
    const { votes } = policy.status ?? {};
    const known = new Set(
      votes === undefined
        ? []
        : [votes.version, votes.former === undefined ? votes.version : votes.version - 1],
    );
    const read = await unlessAway(
      signal,
      readLeases(client, clock, {
        ...{ signal, knownVotes: known },
        trustsPausable: policy.spec.selfFenceOfPausableHosts === 'GuestsMayRunTwice',
        timeoutMs: Math.min(REQUEST_TIMEOUT_MS, timings.leaseDuration / 2),
      }),
    );
    const again = (ms: number) => waiting('Watching', '', ms);
    if (read === undefined) return { outcome: again(timings.observation) };
    observer.observe(read.leases, read);
    const alive = observer.alive(read.endedAt);
    const voting = { hosts: sources.hosts(), stated: read.stated, alive };
    const next = nextVotes(votes, voting);
    const lasts = sinceOn(since);
    if (votes === undefined || next !== votes) {
      lasts('votes-wait', false);
      return { outcome: again(AGAIN_MS), status: { ...policy.status, votes: next } };
    }
    if (isStale()) return { outcome: again(AGAIN_MS) };
    const ahead = sources.ahead();
    const unreported = sources.unreported();
    const going = new Set(sources.hosts().flatMap((host) => (hasEnded(host) ? [] : [host.metadata.name])));
    const standing = copied(unreported, read.leases).filter((host) => going.has(host));
    const why = ofAnEarlierDay(ahead, unreported, standing);
    if (why !== undefined) {
      const outcome = rolledBack(why, timings.observation);
      return { outcome, status: statusOf(policy, outcome, now) };
    }
    const result = await unlessAway(
      signal,
      runRound(
        { policy, timings, votes, observer, sort, turns, since: lasts, now: read.endedAt },
        sources,
        { client, signal, now, timeoutMs: REQUEST_TIMEOUT_MS },
        {
          wrote: (object) => void unseen.set(keyOf(object), { object, at: clock.monotonic() }),
          event: pass.event,
        },
      ),
    );
    if (result === undefined) return { outcome: again(timings.observation) };
    const outcome = result.quorate ? done : noQuorum(result.silent);
    const pace = Math.min(timings.observation, Math.max(AGAIN_MS, result.dueMs));
    const soon = unseen.size > 0 ? AGAIN_MS : pace;
    const status = statusOf(policy, outcome, now);
    const at = { now, generation: policy.metadata.generation };
    const redundancy = withRedundancy(status.conditions ?? [], sources.embeddedOn, sources.hosts(), at);
    const voteless = withVoteless(redundancy, sources.hosts(), at);
    const waits = votesWait(votes, voting);
    const isLate = lasts('votes-wait', waits !== undefined) >= VOTES_LATE_MS;
    const conditions = withVotesWaiting(voteless, isLate ? waits : undefined, at);
    return { outcome: again(soon), status: { ...status, conditions } };
  }

  function sinceOn(map: Map<string, number>) {
    return (what: string, holds: boolean): number => {
      const at = clock.monotonic();
      if (!holds) map.delete(what);
      else if (!map.has(what)) map.set(what, at);
      return at - (map.get(what) ?? at);
    };
  }

  return {
    name: 'recovery',
    kind: ClusterPolicy,
    informer: sources.policies,
    writes: ['status'],
    access: ACCESS,
    finalizer: POLICY_FINALIZER,
    reconcile: round,
    remove: async ({ client, signal, now }) => {
      const isForgotten = await forgetAll(sources, { client, signal, now, timeoutMs: REQUEST_TIMEOUT_MS });
      return { outcome: isForgotten ? done : waiting('Forgetting', 'hosts and guests are let go', AGAIN_MS) };
    },
  };
}

function paused(what: string) {
  const message = `spec.haPaused: nothing is fenced or started elsewhere until it is removed, ${what}`;
  return { status: 'True', reason: 'Paused', message } as const;
}

/** The API does not answer, or not all of it: looked at again at the usual pace, because a back-off would be blind for too long. */
async function unlessAway<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: unknown) => {
    if (error instanceof ApiError && !signal.aborted) return undefined;
    throw error;
  });
}

/** It has said that nothing of its life runs any more: no renewal of its Lease follows. */
function hasEnded({ status }: Stored<Host>): boolean {
  const { shutdown, keeper } = status ?? {};
  if (shutdown?.stoppedAt === undefined || keeper === undefined) return false;
  return shutdown.bootID === keeper.bootID && shutdown.term === keeper.term;
}

function noQuorum(silent: readonly string[]): Outcome {
  return waiting(
    'NoQuorum',
    `too few hosts renew their Leases to judge others (not heard: ${silent.join(', ')}): see that vireo runs there`,
  );
}

/** Why what is stored may be of before a restore; undefined: it is not. */
function ofAnEarlierDay(
  ahead: readonly string[],
  unreported: readonly string[],
  copied: readonly string[],
): string | undefined {
  if (ahead.length > 0) return `${ahead.join(', ')} has seen a later control plane`;
  const restored = 'the API was restored from an older copy, and';
  if (unreported.length > 0) return `${restored} has not been told yet what runs on ${unreported.join(', ')}`;
  return copied.length > 0 ? `${restored} ${copied.join(', ')} has not renewed its Lease yet` : undefined;
}

/** What is stored of guests and hosts is of an earlier day: who is placed on a host by it may run on another since. */
function rolledBack(why: string, againMs: number): Outcome {
  return waiting(
    'ControlPlaneRolledBack',
    `${why}: nothing is fenced or started elsewhere until every host has reported; delete the Host of a machine that is gone for good`,
    againMs,
  );
}

function statusOf(policy: Stored<ClusterPolicy>, outcome: Outcome, now: number): ClusterPolicyStatus {
  const { generation } = policy.metadata;
  const { haPaused } = policy.spec;
  const well = haPaused === undefined ? WATCHING : PAUSED[haPaused];
  return {
    ...policy.status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: readiness(policy.status?.conditions ?? [], outcome, well, { now, generation }),
  };
}

function keyOf(object: Stored<Host> | StoredGuest): string {
  return object.kind === 'Host' ? `Host/${object.metadata.name}` : guestId(object as StoredGuest);
}
