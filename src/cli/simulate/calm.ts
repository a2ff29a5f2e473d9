/**
 * Rounds that could only end as the one before, which decided nothing: the model leaves them out, since the engine is pure. Whatever the engine
 * looks at must be compared here: objects are replaced and never changed, so that the same ones are enough; what counts time is never calm.
 */
import type { Observer } from '../../cluster/ha/observer.ts';
import { GUESTS_A_ROUND } from '../../cluster/ha/turns.ts';
import type { Objects } from './api.ts';
import type { Cluster } from './cluster.ts';

export type Calm = {
  /** Nothing has changed since a round that decided nothing. */
  isAsBefore(objects: Objects, now: number): boolean;
  /** What the round that `isAsBefore` was asked about last has brought. */
  ended(decisions: number): void;
};

/** `counting`: how many times were taken in the last round. */
export function createCalm(cluster: Cluster, observer: Observer, counting: () => number): Calm {
  let last: readonly unknown[] | undefined;
  let present: readonly unknown[] | undefined;
  return {
    isAsBefore: (objects, now) => {
      present = isCalm(objects, cluster) ? seen(objects, cluster, observer, now) : undefined;
      return counting() === 0 && present !== undefined && last !== undefined && isSame(present, last);
    },
    ended: (decisions) => {
      last = decisions === 0 && counting() === 0 ? present : undefined;
    },
  };
}

/** Of hosts that are being fenced more is looked at than is compared here, and a broken part may look at anything. */
function isCalm({ hosts, guests }: Objects, { flaw }: Cluster): boolean {
  if (flaw.sees !== undefined || flaw.says !== undefined || guests.size > GUESTS_A_ROUND) return false;
  // What such a guest waits for may be that a Lease lists it no more.
  for (const { value } of guests.values())
    if (value.record.state === 'Stopped' && value.spec.state === 'Started') return false;
  for (const { value } of hosts.values()) if (value.state === 'Fencing') return false;
  return true;
}

function seen(objects: Objects, cluster: Cluster, observer: Observer, now: number): unknown[] {
  const { hostSpecs, hosts, statements, guests, fences, revocations, policy } = objects;
  const all: unknown[] = [policy, cluster.groups(), cluster.rules(), guests.size, fences.size];
  all.push(...revocations.values());
  const alive = observer.alive(now);
  for (const [name, spec] of hostSpecs) {
    const lease = observer.lease(name);
    all.push(spec, hosts.get(name), statements.get(name), lease?.bootID, lease?.term);
    all.push(alive.has(name), observer.isSuspect(name, now));
  }
  all.push(...guests.values(), ...fences.values());
  return all;
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index]);
}
