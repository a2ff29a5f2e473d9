/** What several invariants ask of the model: who is there, and what a host would take. */
import { isSameLife } from '../../../cluster/ha/model.ts';
import type { Cluster } from '../cluster.ts';
import { unreported } from '../restored.ts';
import type { Violate } from './contract.ts';

/** A decision takes so long from the read it rests on to the API, at most. */
const SLACK_MS = 5_000;

/** States of guests that cause no fence and are started by nobody. */
export const LEFT_ALONE: ReadonlySet<string> = new Set([
  'Stopped',
  'Disabled',
  'Ignored',
  'Error',
  'Recovering',
]);

/** Somebody acts: more than half of the votes must have renewed as lately as a manager may have been told of it. */
export function majorityWatch(cluster: Cluster, violate: Violate): (what: string) => void {
  return (what) => {
    for (const name of unreported(cluster.api.objects))
      violate('S16', `${what} by a restored API before ${name} has said what it has`);
    const { leaseDuration, observation } = cluster.timings();
    const alive = cluster.renewedWithin(leaseDuration + 2 * observation + SLACK_MS);
    const votes = [...cluster.votes()];
    const held = votes.reduce((sum, [name, count]) => sum + (alive.has(name) ? count : 0), 0);
    const all = votes.reduce((sum, [, count]) => sum + count, 0);
    if (held <= all / 2 && cluster.schedule.now() > SLACK_MS) violate('S4', `${what} without a majority`);
  };
}

/** A majority of hosts is there and reaches the API, so that somebody can act. */
export function isWhole(cluster: Cluster): boolean {
  let all = 0;
  let present = 0;
  for (const [name, { votes }] of cluster.api.objects.hostSpecs) {
    all += votes;
    if (isThere(cluster, name)) present += votes;
  }
  // A host that is gone for good must be deleted by a person first: the ClusterPolicy says so.
  const isWaitedFor = unreported(cluster.api.objects).some((name) => !isThere(cluster, name));
  return present > all / 2 && !cluster.api.faults.down && !isWaitedFor;
}

export function isThere(cluster: Cluster, name: string): boolean {
  const host = cluster.host(name);
  return (
    host?.keeper() !== undefined &&
    host.power() === 'Running' &&
    host.network === 'Connected' &&
    !host.controlPlaneCut &&
    !host.isPaused()
  );
}

/**
 * Memory that others on the host, or on their way to it, have been promised, in bytes. Who ended with the host's former life, and waits to be placed
 * anew, holds nothing there: its host's agent starts nobody by the word of another life.
 */
export function promisedTo(cluster: Cluster, name: string, without: string): number {
  const life = cluster.api.objects.hosts.get(name)?.value.life;
  let promised = 0;
  for (const [other, { value }] of cluster.api.objects.guests) {
    const { placement, state, target } = value.record;
    const isOver =
      state === 'Started' &&
      value.record.reason !== undefined &&
      !isSameLife(placement, life) &&
      cluster.host(name)?.processes.has(other) !== true;
    // Who is left alone and runs needs its memory all the same.
    const takesRoom = state === 'Ignored' || !LEFT_ALONE.has(state);
    const isHere = (placement?.host === name && takesRoom && !isOver) || target === name;
    if (other !== without && isHere) promised += value.spec.memoryBytes;
  }
  return promised;
}

/** Memory the host may promise in all, in bytes. */
export function roomOf(cluster: Cluster, name: string): number {
  const { hostSpecs, policy } = cluster.api.objects;
  return (hostSpecs.get(name)?.memoryBytes ?? 0) * (policy.memoryOvercommit ?? 1);
}

/** Every host is there, and every guest is where it should be, or given up. */
export function isSettled(cluster: Cluster): boolean {
  const { hosts, guests, hostSpecs } = cluster.api.objects;
  for (const [name, { value }] of hosts)
    if (!isThere(cluster, name) || (value.state !== 'Online' && value.state !== 'Maintenance')) return false;
  for (const [id, { value }] of guests) {
    const { state, placement, reason } = value.record;
    const isToLeave = hostSpecs.get(placement?.host ?? '')?.maintenance === true && reason === undefined;
    const isRunning = cluster.host(placement?.host ?? '')?.executes(id) === true;
    if (
      state !== 'Error' &&
      (state !== value.spec.state || (state === 'Started' && (!isRunning || isToLeave)))
    )
      return false;
  }
  return true;
}
