/** What must never happen, looked at whenever something begins to execute or is decided. The model sees all hosts at once; nobody in it does. */
import type { Decision, HostRecord } from '../../cluster/ha/model.ts';
import { guardKey, isSameLife } from '../../cluster/ha/model.ts';
import type { StoredGuest } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { SimHost } from './host.ts';

/** A decision takes so long from the read it rests on to the API, at most. */
const SLACK_MS = 5_000;
const LEFT_ALONE = new Set(['Stopped', 'Disabled', 'Ignored', 'Error', 'Recovering']);

export type Violation = { invariant: string; at: number; detail: string };

export type Invariants = {
  readonly violations: readonly Violation[];
  /** Something executes on this host, or executes again; `started` has only just begun there. */
  executing(host: SimHost, started?: string): void;
  hostDecided(decision: Extract<Decision, { type: 'Host' }>, before: HostRecord | undefined): void;
  guestDecided(decision: Extract<Decision, { type: 'Guest' }>, before: StoredGuest): void;
  /** What must hold when the story is over and faults have stopped. */
  atEnd(): void;
};

export function createInvariants(cluster: Cluster): Invariants {
  const violations: Violation[] = [];
  const told = new Set<string>();
  const epochs = new Map<string, number>();
  const lastRun = new Map<string, number>();

  const violate = (invariant: string, detail: string): void => {
    if (told.has(`${invariant} ${detail}`)) return;
    told.add(`${invariant} ${detail}`);
    violations.push({ invariant, at: cluster.schedule.now() / 1_000, detail });
  };

  const executing = (host: SimHost, started?: string): void => {
    for (const [guest, process] of host.processes) {
      if (!host.executes(guest)) continue;
      for (const other of cluster.hosts.values()) {
        if (other !== host && other.executes(guest))
          violate('S1', `${guest} executes on ${[host.name, other.name].sort().join(' and ')}`);
      }
      const newest = lastRun.get(guest) ?? 0;
      if (process.epoch < newest) violate('S6', `${guest} runs with epoch ${process.epoch} after ${newest}`);
      lastRun.set(guest, Math.max(newest, process.epoch));
      const keeper = host.keeper();
      if (guest === started && keeper?.isGuarded(guardKey(process.uid, process.epoch)) === false)
        violate('S5', `${guest} executes on ${host.name} without being guarded`);
    }
  };

  /** Somebody acts: more than half of the votes must have renewed as lately as a manager may have been told of it. */
  const acted = (what: string): void => {
    const { leaseDuration, observation } = cluster.timings();
    const alive = cluster.renewedWithin(leaseDuration + 2 * observation + SLACK_MS);
    const votes = [...cluster.votes()];
    const held = votes.reduce((sum, [name, count]) => sum + (alive.has(name) ? count : 0), 0);
    const all = votes.reduce((sum, [, count]) => sum + count, 0);
    if (held <= all / 2 && cluster.schedule.now() > SLACK_MS) violate('S4', `${what} without a majority`);
  };

  return {
    violations,
    executing,
    hostDecided: ({ host: name, record }, before) => {
      acted(`${name} becomes ${record.state}`);
      if (record.state === 'Fencing' && before?.state !== 'Fencing') fenced(name);
      const { proof } = record;
      if (proof === undefined || before?.proof !== undefined) return;
      const host = cluster.host(name);
      if (host === undefined || host.bootID() !== proof.bootID) return;
      for (const [guest, process] of host.processes) {
        const isCovered = proof.covers?.includes(guardKey(process.uid, process.epoch)) ?? true;
        // A device may lie, and then guests are frozen; who has fenced itself has killed them.
        const isThere = proof.kind === 'PowerOff' ? host.executes(guest) : process.state === 'Running';
        if (isCovered && isThere && host.keeper()?.life().term === proof.term)
          violate('S3', `${guest} executes on ${name} when ${proof.kind} is stored`);
      }
    },
    guestDecided: ({ guest, record, reason }, before) => {
      acted(`${guest} becomes ${record.state}`);
      const { placement } = record;
      const old = before.record.placement;
      if (placement === undefined) return;
      const known = epochs.get(guest) ?? old?.epoch ?? 0;
      if (placement.epoch < known)
        violate('S6', `${guest} is placed with epoch ${placement.epoch} after ${known}`);
      epochs.set(guest, Math.max(known, placement.epoch));
      if (record.state !== 'Starting' || placement.epoch === old?.epoch) return;
      if (before.spec.state !== 'Started')
        violate('S10', `${guest} is started while it is to be ${before.spec.state}`);
      recoveredByProof(guest, before, reason);
      fits(guest, placement.host, before);
      hasRoom(guest, placement.host, before);
    },
    atEnd: () => endState(cluster, violate),
  };

  function fenced(name: string): void {
    if (cluster.api.objects.policy.haPaused !== undefined) violate('S11', `${name} is fenced while paused`);
    const needs = [...cluster.api.objects.guests.values()].some(
      ({ value: { record, spec } }) =>
        record.placement?.host === name && spec.state !== 'Ignored' && !LEFT_ALONE.has(record.state),
    );
    if (!needs) violate('S11', `${name} is fenced though nothing on it is protected`);
  }

  /** A guest that was lost with its host starts elsewhere only with a proof for the life it ran in. */
  function recoveredByProof(guest: string, { record }: StoredGuest, reason: string): void {
    const from = record.placement;
    if (record.state !== 'Recovering' || from === undefined) return;
    const host = cluster.api.objects.hosts.get(from.host)?.value;
    const isProven =
      isSameLife(host?.proof, from) || (host?.life !== undefined && !isSameLife(host.life, from));
    if (!isProven) violate('S2', `${guest} is recovered from ${from.host} without a proof (${reason})`);
  }

  /** No memory is promised twice: what others on that host have been given, and this guest, are no more than it has. */
  function hasRoom(guest: string, name: string, { spec }: StoredGuest): void {
    const { hostSpecs, guests, policy } = cluster.api.objects;
    let promised = spec.memoryBytes;
    for (const [other, { value }] of guests) {
      const { placement, state, target } = value.record;
      const isThere = (placement?.host === name && !LEFT_ALONE.has(state)) || target === name;
      if (other !== guest && isThere) promised += value.spec.memoryBytes;
    }
    const has = (hostSpecs.get(name)?.memoryBytes ?? 0) * (policy.memoryOvercommit ?? 1);
    if (promised > has) violate('S13', `${guest} is placed on ${name}, which has promised its memory`);
  }

  function fits(guest: string, name: string, { spec }: StoredGuest): void {
    const record = cluster.api.objects.hosts.get(name)?.value;
    if (record?.state !== 'Online' && record?.state !== 'Maintenance')
      violate('S7', `${guest} is placed on ${name}, which is ${record?.state}`);
    const group = spec.group === undefined ? undefined : cluster.groups().get(spec.group);
    if (group?.restricted === true && !group.hosts.some((host) => host.name === name))
      violate('S8', `${guest} is placed on ${name}, outside its group`);
    for (const rule of cluster.rules()) {
      if (rule.type !== 'KeepApart' || !rule.strict || !rule.guests.includes(guest)) continue;
      for (const other of rule.guests) {
        const there = cluster.api.objects.guests.get(other)?.value.record;
        const isThere =
          there?.placement?.host === name && ['Started', 'Starting', 'Migrating'].includes(there.state);
        if (other !== guest && isThere) violate('S8', `${guest} is placed on ${name}, where ${other} is`);
      }
    }
  }
}

/** Liveness: what should run runs, or says why not. */
function endState(cluster: Cluster, violate: (invariant: string, detail: string) => void): void {
  const { objects } = cluster.api;
  for (const [id, { value }] of objects.guests) {
    const { record, spec } = value;
    if (spec.state !== 'Started' || record.state === 'Error' || record.reason !== undefined) continue;
    const host = record.placement === undefined ? undefined : cluster.host(record.placement.host);
    if (host?.executes(id) === true) continue;
    if (record.state === 'Frozen' || !isWhole(cluster)) continue;
    violate('L1', `${id} does not run and nothing says why (${record.state} on ${record.placement?.host})`);
  }
}

/** A majority of hosts is there, so that somebody can act. */
function isWhole(cluster: Cluster): boolean {
  let all = 0;
  let present = 0;
  for (const [name, { votes }] of cluster.api.objects.hostSpecs) {
    const host = cluster.host(name);
    all += votes;
    const isThere =
      host?.keeper() !== undefined &&
      host.power() === 'Running' &&
      host.network === 'Connected' &&
      !host.controlPlaneCut &&
      !host.isPaused();
    if (isThere) present += votes;
  }
  return present > all / 2 && !cluster.api.faults.down;
}
