/**
 * When it is certain that nothing of a host's life runs any more. Each kind of proof with its conditions; none of them looks at elapsed time that
 * this manager has not measured itself. See docs/safety.md.
 */

import type { EngineFlaw, Fence, GuestView, HostView, Incident, Life, Proof, View } from './model.ts';
import { guardKey, isSameLife } from './model.ts';
import { coveredByRevocation, hasRevokedBefore, type Suspect } from './revocations.ts';

type Votes = ReadonlyMap<string, number>;

/** Votes of all, witness included; of two tables while hosts change from one to the next. */
function votesOf(view: View): Votes[] {
  const present = new Map([
    ...view.witnesses,
    ...[...view.hosts.values()].map(({ name, votes }) => [name, votes] as const),
  ]);
  return view.formerVotes === undefined ? [present] : [present, view.formerVotes];
}

/** This manager sees more than half of all votes renew. */
export function isQuorate(view: View, flaw?: EngineFlaw): boolean {
  if (flaw === 'NoQuorum') return true;
  const alive = view.observer.alive(view.now);
  return votesOf(view).every((table) => {
    let all = 0;
    let held = 0;
    for (const [name, votes] of table) {
      all += votes;
      if (alive.has(name)) held += votes;
    }
    return held > all / 2;
  });
}

/**
 * The strongest proof there is for the open incident now, or undefined. That storage was revoked comes last, also after a person's word: it says that
 * nothing is written, not that nothing runs, and only of some guests.
 */
export function proofFor(
  suspect: Suspect,
  fences: readonly Fence[],
  view: View,
  flaw?: EngineFlaw,
): Proof | undefined {
  const { host, incident } = suspect;
  const { bootID, term, id } = incident;
  const proof = { bootID, term, incident: id };
  const lease = view.observer.lease(host.name);
  if (flaw === 'NoProof') return { ...proof, kind: 'PowerOff' };
  const isOtherBoot = lease !== undefined && lease.bootID !== bootID;
  if (isOtherBoot && machineOf(host, lease) === 'Same') return { ...proof, kind: 'NewBoot' };
  // A host renews under a new term only after it has seen that what it guarded in the old one is dead.
  if (lease !== undefined && !isOtherBoot && lease.term > term)
    return selfFence(proof, view.observer.leaseOf(host.name, incident)?.guarded ?? new Set());
  if (host.shutdown?.stopped === true && isSameLife(host.shutdown, incident))
    return { ...proof, kind: 'OrderlyStop' };
  if (isPoweredOff(host, incident, fences, view)) return { ...proof, kind: 'PowerOff' };
  if (host.confirmed === id && view.observer.heardBy(host.name, view.now).length === 0)
    return { ...proof, kind: 'Manual' };
  // The silence of another machine says nothing of this one.
  if (!isOtherBoot && hasFencedItself(host, view, flaw) && hasRevokedBefore(suspect, view))
    return selfFence(proof, flaw === 'GuardedListIgnored' ? undefined : lease?.guarded);
  const covered = coveredByRevocation(suspect, view, flaw);
  return covered.length === 0 ? undefined : { ...proof, kind: 'StorageRevoked', covers: covered };
}

/**
 * Whether the boot that renews now is one of the machine that had the recorded life: only then is that life over. Another machine under the same
 * name says nothing of the first. Unknown until an agent has reported from this boot. Machines without a machine-id(5) cannot be told apart.
 */
export function machineOf({ record, machine }: HostView, { bootID }: Life): 'Same' | 'Other' | 'Unknown' {
  if (record.machineID === undefined || record.life?.bootID === bootID) return 'Same';
  if (machine?.bootID !== bootID) return 'Unknown';
  return machine.id === record.machineID ? 'Same' : 'Other';
}

function selfFence(proof: Omit<Proof, 'kind'>, guarded: ReadonlySet<string> | undefined): Proof {
  return { ...proof, kind: 'SelfFence', ...(guarded === undefined ? {} : { covers: [...guarded] }) };
}

/** A device may lie: by the time its word counts the host has frozen its guests, and killed them if it could not. */
function isPoweredOff(host: HostView, incident: Incident, fences: readonly Fence[], view: View): boolean {
  const isOff = fences.some((fence) => fence.incident === incident.id && fence.result === 'PoweredOff');
  return isOff && view.observer.heardBy(host.name, view.now).length === 0 && hasFrozen(host, view);
}

/**
 * So long silent, a host whose keeper works has frozen its guests, or killed them if it could not. What its peers answer it puts that off, so that
 * their word that they hear it is a sign of its life.
 */
export function hasFrozen(host: HostView, view: View): boolean {
  return frozenIn(host, view) <= 0;
}

/** How much longer it has to stay silent until that is so, ms. */
export function frozenIn(host: HostView, view: View): number {
  const { observer, now } = view;
  const { freezeAfter, killTime } = observer.lease(host.name)?.timings ?? view.policy.timings;
  return freezeAfter + killTime - Math.min(silenceOf(host, view), observer.unheardFor(host.name, now));
}

/** How long this manager has heard nothing of the host, ms. */
function silenceOf(host: HostView, view: View): number {
  const { observer, now } = view;
  return observer.lease(host.name) === undefined
    ? leaselessFor(host, view)
    : observer.silentFor(host.name, now);
}

/** It is suspect, and its devices and ports are left alone yet: proofs wait for nothing of that. */
export function isSpared(host: HostView, view: View): boolean {
  const { fencingDelayMs = 0 } = host;
  return fencingDelayMs > 0 && silenceOf(host, view) < view.policy.timings.leaseDuration + fencingDelayMs;
}

/**
 * How long this manager has seen no Lease of a host that is known to have lived, ms. A host that lives makes one again with its next renewal: a Lease
 * that stays away is as silent as one that is not renewed, but tells nothing of what the host guards, so that no self-fence is a proof.
 */
export function leaselessFor({ name, record }: HostView, { observer, since }: View): number {
  return since(`leaseless/${name}`, observer.lease(name) === undefined && record.life !== undefined);
}

/** Self-fencing is certain after a wait in which one majority, without the suspect, never fell silent: then nobody can have excused it. */
export function hasFencedItself(host: HostView, view: View, flaw?: EngineFlaw): boolean {
  const { observer, policy, now } = view;
  const lease = observer.lease(host.name);
  if (lease === undefined || lease.pausable) return false;
  if (!lease.armed && policy.selfFenceWithoutWatchdog === 'Deny') return false;
  const since = votesOf(view).map((votes) => observer.majoritySince(votes, host.name, now));
  const lastSign = observer.lastSign(host.name);
  if (lastSign === undefined) return false;
  if (flaw === 'WaitWithoutQuorum') return now - lastSign >= selfFenceWait(host, view, flaw);
  const signs = since.filter((sign) => sign !== undefined);
  if (signs.length < since.length) return false;
  return now - Math.max(...signs, lastSign) >= selfFenceWait(host, view, flaw);
}

/** By the times the host states in its Lease, never by those of a policy that was changed since. */
function selfFenceWait({ name }: HostView, { observer, policy }: View, flaw?: EngineFlaw): number {
  const stated = flaw === 'TimingsOfPolicy' ? undefined : observer.lease(name)?.timings;
  const { selfFenceAfter, killTime, watchdogTimeout } = stated ?? policy.timings;
  const { margin, selfFenceWait: least } = policy.timings;
  return Math.max(least, Math.max(selfFenceAfter + killTime, watchdogTimeout) + margin);
}

/** Whether the proof of its host holds for this guest: a self-fence covers what the Lease listed, anything covers the life it speaks of. */
export function covers(proof: Proof | undefined, guest: GuestView): boolean {
  const { placement } = guest.record;
  if (proof === undefined || placement === undefined || !speaksOf(proof, placement)) return false;
  // Storage is taken from a host that may start it still: only what is listed can write nothing.
  const isUnstarted = guest.record.unstarted === true && proof.kind !== 'StorageRevoked';
  if (proof.covers === undefined || isUnstarted) return true;
  return proof.covers.includes(guardKey(guest.uid, placement.epoch));
}

/** It says of this life that nothing of what it covers runs any more: of storage that was revoked no proof says so. */
export function provesEnd(proof: Proof | undefined, life: Life | undefined, flaw?: EngineFlaw): boolean {
  const isOfWrites = proof?.kind === 'StorageRevoked' && flaw !== 'RevokedIsDead';
  return isSameLife(proof, life) && !isOfWrites;
}

/** It is a proof for this life; where it says that nothing runs at all, it says so of what began earlier in the same boot, too. */
export function speaksOf(proof: Proof, life: Life): boolean {
  if (isSameLife(proof, life)) return true;
  return proof.covers === undefined && proof.bootID === life.bootID && life.term < proof.term;
}
