/**
 * One round of high availability on real objects: all Leases are read consistently, the engine decides, and what it decides is written in its
 * order. A round that was cut off anywhere leaves objects from which the next one, of whatever leader, goes on.
 */

import { STARTED_ANNOTATION } from '../../api/cluster.ts';
import type { HaTimings } from '../../api/haTimings.ts';
import type { ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import { type FenceAction, NO_LEASE } from '../../api/kinds/fenceAction.ts';
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import type { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { decide } from '../ha/engine.ts';
import type { Decision, GuestRecord, GuestView, Since, View } from '../ha/model.ts';
import type { Observer } from '../ha/observer.ts';
import { isQuorate } from '../ha/proofs.ts';
import { isPresent } from '../ha/round.ts';
import { GUESTS_A_ROUND, type Turns } from '../ha/turns.ts';
import type { Verdict } from '../placement/choose.ts';
import { admit } from './admit.ts';
import { balanceGuests } from './balance.ts';
import { BEGIN_WITHIN_SECONDS, createBeginnings, isOff } from './beginnings.ts';
import type { Crowd } from './crowd.ts';
import { createObjection } from './destinations.ts';
import { portsToShut } from './disconnect.ts';
import { dueIn } from './due.ts';
import { guestId, isDeleted } from './guestViews.ts';
import { type LoadFacts, measuredLoads } from './loads.ts';
import { type MendSources, mendRules } from './mend.ts';
import { moveGuests } from './moves.ts';
import { executorFor, revocablePools, revocationsOf } from './revocations.ts';
import { setRules } from './sets.ts';
import { fencesOf, groupsOf, hostView, policyOf } from './views.ts';
import type { Votes } from './votes.ts';
import {
  releaseGuest,
  releaseHost,
  unplaceGuest,
  type WriteContext,
  type Written,
  writeDisconnect,
  writeFence,
  writeGuest,
  writeHost,
  writeMove,
  writeRevocation,
} from './write.ts';

/** What a round reads, all of it from informers. */
export type RoundSources = MendSources & {
  hosts(): readonly Stored<Host>[];
  /** Those that are protected, and those of which something is stored. */
  guests(): readonly StoredGuest[];
  groups(): readonly Stored<HAGroup>[];
  actions(): readonly Stored<FenceAction>[];
  devicesOf(host: string): readonly Stored<FenceDevice>[];
  pool(name: string): Stored<StoragePool> | undefined;
  judge(guest: StoredGuest): readonly Verdict[];
  /** The same of one host, as it is now. */
  takes(host: string, guest: StoredGuest): boolean;
  /** Books the guest there at once: who is placed after it in the same round must know of it. */
  book(guest: StoredGuest, host: string): void;
  allocatedBytes(host: string): number;
  demand: LoadFacts['demand'];
  /** A host remembers a later placement of the guest than the API holds: placement claims it there, and nobody else touches it. */
  isBehind(guest: StoredGuest): boolean;
};

export type RoundFacts = {
  policy: Stored<ClusterPolicy>;
  timings: HaTimings;
  votes: Votes;
  observer: Observer;
  since: Since;
  sort(guests: readonly StoredGuest[]): Crowd;
  /** Who comes first: of those that are told where they are, and of those that are decided. */
  turns: Readonly<Record<'told' | 'decided', Turns>>;
  /** This process's own clock, when the Leases had been read. */
  now: number;
};

export type RoundResult = {
  quorate: boolean;
  /** Voters that are not heard, by name. */
  silent: readonly string[];
  /** When the next round is needed, if that is sooner than its turn, ms. */
  dueMs: number;
};

export type RoundEars = {
  /** Told of each object that was written, as it was before: nothing is decided from it again until it is seen to have changed. */
  wrote(object: Stored<Host> | StoredGuest): void;
  /** What a person would ask about. */
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
};

export async function runRound(
  facts: RoundFacts,
  sources: RoundSources,
  context: WriteContext,
  ears: RoundEars,
): Promise<RoundResult> {
  const hosts = new Map(sources.hosts().map((host) => [host.metadata.name, host]));
  const crowd = facts.sort(sources.guests());
  const guests = crowd.watched;
  // Also without a majority: it only binds these guests less, and their hosts wait for it.
  for (const guest of crowd.released) note(await releaseGuest(guest, context), guest);
  const view = viewOf(facts, sources, { hosts, crowd });
  const { observer } = view;
  const alive = observer.alive(view.now);
  const silent = facts.votes.voters.map(({ name }) => name).filter((name) => !alive.has(name));
  const quorate = isQuorate(view);
  const dueMs = dueIn(view);
  if (!quorate) return { quorate, silent, dueMs };

  const { told, decided } = facts.turns;
  const admitted = new Set<string>();
  const held = new Set<string>();
  const startsBest = facts.policy.spec.rebalancing?.onStart === true;
  const beginning = createBeginnings(guests, view, sources);
  for (const [id, guest] of told.order(guests, ([id]) => id)) {
    if (startsBest && isOff(guest) && !sources.isBehind(guest) && !(await mayBeginHere(id, guest))) {
      held.add(id);
      continue;
    }
    if (admitted.size === GUESTS_A_ROUND) break;
    const word = wordFor(guest);
    if (word === undefined || sources.isBehind(guest)) continue;
    admitted.add(id);
    const written = await (word === 'Unplace'
      ? unplaceGuest(guest, context)
      : writeGuest(guest, word, context));
    if (!note(written, guest)) told.pass(id);
  }
  const objection = createObjection({
    guest: (id) => guests.get(id),
    host: (name) => hosts.get(name),
    ...{ pool: sources.pool, judge: sources.judge },
  });
  const decisions = decide(view, { objection, leavesRunning: true, turns: decided });
  const busy = new Set(decisions.flatMap((decision) => (decision.type === 'Guest' ? [decision.guest] : [])));
  for (const decision of decisions) {
    context.signal.throwIfAborted();
    await carryOut(decision);
  }
  await disconnect();
  const settled = crowd.restless.filter(
    (guest) => ![busy, admitted, held].some((ids) => ids.has(guestId(guest))),
  );
  await moveGuests(settled, view, sources, context, ears);
  await mendRules(settled, guests, view, sources, context, ears);
  const isCalm = decisions.length === 0 && admitted.size === 0 && held.size === 0;
  const isOpen = (name: string) => mayBeGiven(hosts.get(name));
  await balanceGuests({ watched: guests, isOpen, isCalm }, view, sources, context, ears);
  return { quorate, silent, dueMs };

  async function disconnect(): Promise<void> {
    for (const host of view.hosts.values()) {
      const { incident, state } = host.record;
      if (state !== 'Fencing' || incident === undefined) continue;
      const facts = { named: sources.devicesOf(host.name), actions: sources.actions() };
      const devices = portsToShut(host, view, facts);
      const version = observer.lease(host.name)?.version ?? NO_LEASE;
      if (devices.length > 0)
        await writeDisconnect({ host: host.name, incident, devices }, String(version), context);
    }
  }

  /** Moves a guest that is off to where it starts rather; then, and while it is on its way, it is told nothing. */
  async function mayBeginHere(id: string, guest: StoredGuest): Promise<boolean> {
    const found = beginning(id, guest);
    if (typeof found === 'string') return found === 'Here';
    await writeMove(guest, { ...found, type: 'Offline', within: BEGIN_WITHIN_SECONDS }, context);
    ears.event('Normal', 'GuestStartsElsewhere', `${id} is to run: it goes to ${found.to} before`);
    return false;
  }

  /** Undefined: there is nothing to say. */
  function wordFor(guest: StoredGuest): GuestRecord | 'Unplace' | undefined {
    const host = view.hosts.get(guest.status?.placement?.host ?? '');
    if (host !== undefined && !isPresent(host) && isUntouched(guest)) return 'Unplace';
    return admit(guest, host, view);
  }

  async function carryOut(decision: Decision): Promise<void> {
    switch (decision.type) {
      case 'Host': {
        const host = hosts.get(decision.host);
        if (host === undefined || !note(await writeHost(host, decision, context), host)) return;
        const { state } = decision.record;
        const isBad = state === 'Fencing' || state === 'Fenced';
        ears.event(isBad ? 'Warning' : 'Normal', `Host${state}`, `${decision.host}: ${decision.reason}`);
        return;
      }
      case 'Guest': {
        const guest = guests.get(decision.guest);
        if (guest === undefined || admitted.has(decision.guest) || held.has(decision.guest)) return;
        if (!(await moveOn(guest, decision))) decided.pass(decision.guest);
        return;
      }
      case 'Revoke': {
        const { revocation } = decision;
        const facts = { hosts, views: view.hosts, pool: sources.pool, observer, now: view.now };
        const executor = executorFor(revocation, facts);
        const leaseVersion = String(observer.lease(revocation.host)?.version ?? NO_LEASE);
        if (executor !== undefined) await writeRevocation(decision, { executor, leaseVersion }, context);
        return;
      }
      case 'Fence': {
        const version = observer.lease(decision.fence.host)?.version ?? NO_LEASE;
        await writeFence(decision, String(version), context);
        return;
      }
      default:
        decision satisfies never;
    }
  }

  async function moveOn(
    guest: StoredGuest,
    { guest: id, record }: Extract<Decision, { type: 'Guest' }>,
  ): Promise<boolean> {
    if (sources.isBehind(guest)) return false;
    const from = guest.status?.placement?.host;
    const to = record.placement?.host;
    if (to === undefined || to === from) return note(await writeGuest(guest, record, context), guest);
    // Guests placed before it in this round may have taken its room, or must not be its neighbours: then it is chosen for again.
    const isFit = isDeleted(guest) || sources.takes(to, guest);
    if (!isFit || !note(await writeGuest(guest, record, context), guest)) return false;
    sources.book(guest, to);
    ears.event(
      'Warning',
      isDeleted(guest) ? 'GuestRemovedElsewhere' : 'GuestRecovered',
      `${id}: from ${from} to ${to}`,
    );
    return true;
  }

  function note(written: Written, object: Stored<Host> | StoredGuest): boolean {
    if (written === 'Written') ears.wrote(object);
    return written === 'Written';
  }
}

function mayBeGiven(host: Stored<Host> | undefined): boolean {
  return host !== undefined && host.spec.unschedulable !== true && host.status?.witness !== true;
}

/** Its host has not begun anything for it. */
function isUntouched({ metadata: { annotations } }: StoredGuest): boolean {
  return annotations?.[STARTED_ANNOTATION] === undefined;
}

type Objects = {
  hosts: ReadonlyMap<string, Stored<Host>>;
  crowd: Crowd;
};

function viewOf(
  { policy, timings, votes, observer, since, now }: RoundFacts,
  sources: RoundSources,
  { hosts, crowd }: Objects,
): View {
  const count = (voters: Votes['voters']) => new Map(voters.map((voter) => [voter.name, voter.votes]));
  const actions = sources.actions();
  const facts = {
    ...{ guests: crowd.index, votes: count(votes.voters), actions },
    ...{ devicesOf: sources.devicesOf, allocatedBytes: sources.allocatedBytes },
    memoryOvercommit: policy.spec.memoryOvercommit,
  };
  // By name: of hosts that are equal the first is chosen, whoever leads.
  const names = [...hosts.keys()].sort();
  const hostViews = new Map(
    names.flatMap((name) => {
      const host = hosts.get(name);
      return host === undefined ? [] : [[name, hostView(host, facts)] as const];
    }),
  );
  const loads =
    policy.spec.rebalancing?.by === 'Load'
      ? measuredLoads({ hosts: hosts.values(), guests: crowd.views, demand: sources.demand })
      : undefined;
  if (loads !== undefined) for (const [name, host] of hostViews) hostViews.set(name, loads.host(host));
  const guestViews = new Map<string, GuestView>();
  // A Host that was deleted with a guest on it has left no proof: the guest stays as it is until a person decides.
  for (const guest of crowd.views)
    if (hostViews.has(guest.record.placement?.host ?? ''))
      guestViews.set(guest.id, loads?.guest(guest) ?? guest);
  const counts = (id: string) => {
    const guest = crowd.watched.get(id);
    return guest !== undefined && !isDeleted(guest);
  };
  return {
    ...{ now, observer, since, rules: setRules(crowd.restless, sources, counts) },
    hosts: hostViews,
    guests: guestViews,
    groups: groupsOf(sources.groups()),
    fences: fencesOf(actions, hostViews),
    revocations: revocationsOf(actions, hostViews),
    revocable: revocablePools({ hosts, views: hostViews, pool: sources.pool, observer, now, since }),
    policy: policyOf(policy.spec, timings),
    witnesses: new Map(),
    ...(votes.former === undefined ? {} : { formerVotes: count(votes.former) }),
  };
}

/** What is stored of guests and hosts goes before the policy does, so that a later one finds nothing it could mistake for its own. */
export async function forgetAll(
  sources: Pick<RoundSources, 'guests' | 'hosts'>,
  context: WriteContext,
): Promise<boolean> {
  const written: Written[] = [];
  for (const guest of sources.guests())
    if (guest.status?.ha !== undefined) written.push(await releaseGuest(guest, context));
  for (const host of sources.hosts())
    if (host.status?.ha !== undefined) written.push(await releaseHost(host, context));
  return written.length === 0;
}
