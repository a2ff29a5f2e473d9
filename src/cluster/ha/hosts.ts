/** What becomes of each host: from its first silence to a proof, and back. Pure; called again each round. */
import type {
  Decision,
  EngineFlaw,
  Fence,
  GuestView,
  HostRecord,
  HostView,
  Incident,
  Life,
  Proof,
  View,
} from './model.ts';
import { isSameLife } from './model.ts';
import { isQuorate, isSpared, leaselessFor, machineOf, proofFor } from './proofs.ts';
import { mayBeRevoked, type Suspect, toReboot } from './revocations.ts';
import { revocationsFor } from './revoking.ts';
import { moveHost, without } from './states.ts';

/** A device that did not answer is asked again after this, when every level has been tried. */
const FENCE_AGAIN_MS = 10_000;

/** Of hosts of which only something is to be noted, so many in a round: the first round about a large cluster is no longer than others. */
const MOST_NOTES = 150;

/** Guests for which a host is fenced: those that are to run there, or may run there still. */
const PROTECTED = new Set([
  'Started',
  'Starting',
  'Stopping',
  'Migrating',
  'Relocating',
  'Frozen',
  'Fencing',
]);

export function isProtected({ record, wanted }: GuestView): boolean {
  return wanted !== 'Ignored' && PROTECTED.has(record.state);
}

/** Decisions about hosts; at most one state for each in a round. */
export function judgeHosts(
  view: View,
  guestsOn: ReadonlyMap<string, GuestView[]>,
  flaw?: EngineFlaw,
): Decision[] {
  const decisions: Decision[] = [];
  let notes = 0;
  let fencing = beingFenced(view).length;
  const most = mostFences(view);
  const quorate = isQuorate(view, flaw);
  const alive = view.observer.alive(view.now);
  for (const host of view.hosts.values()) {
    const guests = (guestsOn.get(host.name) ?? []).filter(isProtected);
    const next = nextRecord(host, view, {
      quorate,
      mayFence: fencing < most,
      isAlive: alive.has(host.name),
      guests,
      flaw,
    });
    if (next !== undefined) {
      const isNote = next.record.state === host.record.state;
      if (isNote) notes += 1;
      if (isNote && notes > MOST_NOTES) continue;
      if (next.record.state === 'Fencing' && !isNote) fencing += 1;
      decisions.push({ type: 'Host', host: host.name, version: host.version, ...next });
    } else if (quorate) decisions.push(...fencesFor(host, view), ...takenFrom(host, guests, view));
  }
  return decisions;
}

/** Hosts that nothing is proven of yet. */
function beingFenced({ hosts }: View): HostView[] {
  return [...hosts.values()].filter(({ record }) => record.state === 'Fencing' && record.proof === undefined);
}

function mostFences({ policy, hosts }: View): number {
  return policy.maxConcurrentFences ?? Math.max(1, Math.ceil(hosts.size / 2) - 1);
}

/** Why a host that is suspect is not fenced yet, for those who wait for it; undefined: nothing holds it up. */
export function heldUpBy({ name }: HostView, view: View): string | undefined {
  if (view.policy.haPaused !== undefined) return 'Paused: its host is silent';
  const others = beingFenced(view);
  if (others.length < mostFences(view)) return undefined;
  const names = others.map((other) => other.name).join(', ');
  return `FencesAtMost: ${name} is silent, and is fenced once ${names} is no more: see to that, or raise maxConcurrentFences of the ClusterPolicy`;
}

type Next = { record: HostRecord; reason: string };
type Course = {
  quorate: boolean;
  mayFence: boolean;
  /** This manager has itself seen it renew: to a new leader the last Lease of a host that is dead looks fresh. */
  isAlive: boolean;
  /** Those for which it is fenced. */
  guests: readonly GuestView[];
  flaw: EngineFlaw | undefined;
};

function nextRecord(host: HostView, view: View, course: Course): Next | undefined {
  const { record } = host;
  // Looked at in each round, so that a Lease that came and went in between ends the silence before.
  const leaseless = leaselessFor(host, view);
  switch (record.state) {
    case 'Online':
    case 'Maintenance':
      return fromPresent(host, view, leaseless);
    case 'Suspect':
      return fromSuspect(host, view, course);
    case 'Fencing':
      return fromFencing(host, view, course);
    case 'Fenced':
    case 'Offline':
      return fromGone(host, view, course);
    default:
      return record.state satisfies never;
  }
}

function lifeOf(host: HostView, view: View): Life | undefined {
  const lease = view.observer.lease(host.name);
  return lease === undefined ? undefined : { bootID: lease.bootID, term: lease.term };
}

function present(host: HostView): 'Online' | 'Maintenance' {
  return host.maintenance ? 'Maintenance' : 'Online';
}

function isStopped(host: HostView, life: Life | undefined): boolean {
  return host.shutdown?.stopped === true && isSameLife(host.shutdown, life);
}

function fromPresent(host: HostView, view: View, leaseless: number): Next | undefined {
  const { record } = host;
  const life = lifeOf(host, view);
  if (isStopped(host, record.life ?? life) && isStopped(host, life)) return offline(host, life);
  if (leaseless >= view.policy.timings.leaseDuration)
    return { record: moveHost(record, 'Suspect'), reason: 'its Lease is gone' };
  // Nothing has ever been seen of it: a host that was never there is no host that was lost.
  if (life === undefined) return undefined;
  if (view.observer.isSuspect(host.name, view.now))
    return { record: moveHost(record, 'Suspect', { life: record.life ?? life }), reason: 'silent' };
  if (!isSameLife(record.life, life)) return fromOtherLife(host, life);
  const { machine } = host;
  if (machine?.bootID === life.bootID && machine.id !== record.machineID)
    return { record: { ...record, machineID: machine.id }, reason: 'its machine is known' };
  const state = present(host);
  return record.state === state ? undefined : { record: moveHost(record, state), reason: 'maintenance' };
}

/** The life that is stored goes on to be judged unless the same machine has begun another. */
function fromOtherLife(host: HostView, life: Life): Next | undefined {
  switch (machineOf(host, life)) {
    case 'Same':
      return { record: { ...host.record, life }, reason: 'it lives anew' };
    case 'Other':
      return {
        record: moveHost(host.record, 'Suspect', { reason: duplicate(host) }),
        reason: duplicate(host),
      };
    case 'Unknown':
      return undefined;
  }
}

function duplicate({ name }: HostView): string {
  return `DuplicateHost: another machine renews the Lease of ${name}: give one of them another name; if the first is off, say so with kubectl vireo fence confirm ${name} when its guests wait`;
}

function offline(host: HostView, life: Life | undefined): Next | undefined {
  if (life === undefined) return undefined;
  const proof = { ...life, kind: 'OrderlyStop', incident: `${host.name}-${life.bootID}-stop` } as const;
  return { record: moveHost(host.record, 'Offline', { life, proof }), reason: 'orderly stop' };
}

function fromSuspect(
  host: HostView,
  view: View,
  { quorate, mayFence, isAlive, guests }: Course,
): Next | undefined {
  const isNeeded = guests.length > 0;
  const { record } = host;
  const { observer, now, policy } = view;
  const life = lifeOf(host, view) ?? record.life;
  if (life === undefined) return undefined;
  if (isStopped(host, life)) return offline(host, life);
  const machine = machineOf(host, life);
  // A machine in the place of another takes over what nobody misses.
  if (isAlive && (machine === 'Same' || (machine === 'Other' && !isNeeded)))
    return { record: moveHost(record, present(host), { life }), reason: 'renewed' };
  if (!observer.isSuspect(host.name, now) && machine !== 'Other') return undefined;
  if (!quorate || !isNeeded || policy.haPaused !== undefined || !mayFence) return undefined;
  const incidents = (record.incidents ?? 0) + 1;
  const incident: Incident = {
    ...(record.life ?? life),
    // With its boot: a Host that was deleted and made anew counts from one again.
    id: `${host.name}-${(record.life ?? life).bootID.slice(0, 8)}-${incidents}`,
    ...(observer.heardBy(host.name, now).length > 0 ? { reached: true as const } : {}),
  };
  const why = machine === 'Other' ? { reason: duplicate(host) } : {};
  return {
    record: moveHost(record, 'Fencing', { incident, incidents, ...why }),
    reason: 'its guests may be lost',
  };
}

function fromFencing(host: HostView, view: View, course: Course): Next | undefined {
  const { quorate, isAlive, guests, flaw } = course;
  const { record } = host;
  const { incident } = record;
  const life = lifeOf(host, view) ?? incident;
  if (incident === undefined || life === undefined || !quorate) return undefined;
  const fences = view.fences.filter((fence) => fence.host === host.name && fence.incident === incident.id);
  const suspect = { host, incident, guests };
  const proof = proofFor(suspect, fences, view, flaw);
  if (proof?.kind === 'StorageRevoked') {
    const more = withRevoked(host, proof);
    if (more !== undefined) return more;
  } else if (proof !== undefined)
    return { record: moveHost(record, 'Fenced', { proof }), reason: `proof ${proof.kind}` };
  const isOver = fences.every(({ result }) => result !== undefined);
  const isBack = isSameLife(life, incident) && isAlive;
  const isCutOff = mayBeRevoked(host, incident, view);
  if (isBack && isCutOff) return noted(host, toReboot(host));
  if (isBack && isOver) {
    const kept = without(record, 'incident', 'proof', 'revoked');
    return { record: moveHost(kept, present(host), { life }), reason: 'renewed' };
  }
  // Stored before anybody is asked: whoever leads next must not take it for one that has its storage.
  if (record.revoked === incident.bootID || revocationsFor(suspect, view).length === 0) return undefined;
  return { record: { ...record, revoked: incident.bootID }, reason: 'its storage is taken from it' };
}

/** The incident stays open: others of its guests wait for another proof, and a stronger one takes the place of this. */
function withRevoked({ record }: HostView, proof: Proof): Next | undefined {
  const before = record.proof?.covers ?? [];
  const covers = [...new Set([...before, ...(proof.covers ?? [])])];
  if (covers.length === before.length) return undefined;
  return { record: { ...record, proof: { ...proof, covers } }, reason: 'proof StorageRevoked' };
}

/** The same state, with what a person should know. */
function noted({ record }: HostView, reason: string): Next | undefined {
  return record.reason === reason ? undefined : { record: { ...record, reason }, reason };
}

/** Only another life brings it back: what comes from the old one is a late waker. Where its storage was revoked, only another boot does. */
function fromGone(host: HostView, view: View, { isAlive }: Course): Next | undefined {
  const { record } = host;
  const life = lifeOf(host, view);
  if (life === undefined || isSameLife(life, record.proof) || !isAlive) return undefined;
  if (record.revoked === life.bootID) return noted(host, toReboot(host));
  const { state: _state, ...rest } = without(record, 'incident', 'proof', 'machineID', 'revoked', 'reason');
  return {
    record: { ...moveHost({ ...rest, state: record.state }, present(host)), life },
    reason: 'back in a new life',
  };
}

/** Once it is on record that its storage is taken from it. */
function takenFrom(host: HostView, guests: readonly GuestView[], view: View): Decision[] {
  const { state, incident, revoked } = host.record;
  if (state !== 'Fencing' || incident === undefined || revoked !== incident.bootID) return [];
  const suspect: Suspect = { host, incident, guests };
  return revocationsFor(suspect, view);
}

/** The next level of devices for an open incident, when the one before has failed. */
function fencesFor(host: HostView, view: View): Decision[] {
  const { record } = host;
  const { incident } = record;
  if (record.state !== 'Fencing' || incident === undefined) return [];
  const reached = view.observer.heardBy(host.name, view.now).length > 0;
  const isBack = !view.observer.isSuspect(host.name, view.now);
  if (reached || isBack || host.fencing.length === 0 || isSpared(host, view)) return [];
  const tried = view.fences.filter((fence) => fence.incident === incident.id);
  if (tried.some(({ result }) => result === undefined || result === 'PoweredOff')) return [];
  // Counted by their names: of those that are long over some are gone.
  const numbers = tried.map(({ id }) => Number(/-(\d+)$/.exec(id)?.[1] ?? 0));
  const count = tried.length === 0 ? 0 : Math.max(...numbers) + 1;
  const round = Math.floor(count / host.fencing.length);
  const level = count % host.fencing.length;
  const isRest = level === 0 && round > 0;
  if (view.since(`fence-rest/${incident.id}/${round}`, isRest) < FENCE_AGAIN_MS && isRest) return [];
  const fence: Fence = {
    id: `${incident.id}-${count}`,
    host: host.name,
    incident: incident.id,
    level,
  };
  return [{ type: 'Fence', fence, devices: host.fencing[level] ?? [], life: incident }];
}
