/** Whether a guest would be recovered by a proof if its host died now, and what is to be done when it would not. Pure. */
import type { ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { FENCING_READY } from '../fencing/readiness.ts';
import { isMachine, poolsOf, type StoredGuest } from '../guests.ts';
import { notShared, volumesLeftBehind } from './destinations.ts';

export type ProtectionFacts = {
  policy: ClusterPolicy;
  /** The host the guest is placed on. */
  host: Stored<Host>;
  /** Those that have this pool, the guest's own among them. */
  hostsWith(pool: string): readonly Stored<Host>[];
  pool(name: string): Stored<StoragePool> | undefined;
};

export type Protection = Pick<Condition, 'status' | 'reason' | 'message'>;

/** Messages name no detail that changes by itself: each would be a write for every guest of a host. Undefined: nothing is known of its host yet. */
export function protectionOf(guest: StoredGuest, facts: ProtectionFacts): Protection | undefined {
  const fencing = findCondition(facts.host.status?.conditions, FENCING_READY);
  if (fencing === undefined) return undefined;
  return (
    notRecovered(guest, facts) ??
    unproven(facts.host, fencing) ??
    nowhereElse(guest, facts) ??
    cachedOf(guest, facts) ?? { status: 'True', reason: fencing.reason, message: '' }
  );
}

function no(reason: string, message: string): Protection {
  return { status: 'False', reason, message };
}

function notRecovered({ status }: StoredGuest, { policy }: ProtectionFacts): Protection | undefined {
  if (policy.spec.haPaused !== undefined)
    return no('Paused', 'nothing is recovered until spec.haPaused of the ClusterPolicy is removed');
  return status?.ha?.state === 'Error'
    ? no('StartFailed', 'it does not start, and no host is fenced for it: see status.ha')
    : undefined;
}

function unproven({ metadata: { name } }: Stored<Host>, fencing: Condition): Protection | undefined {
  return fencing.status === 'True'
    ? undefined
    : no(fencing.reason, `nothing would prove that ${name} is dead: see its condition ${FENCING_READY}`);
}

/** By what hardly changes: whether there is room today, the rehearsal of its HAGroup says, and a pool that does not work is told by others. */
function nowhereElse(guest: StoredGuest, { host, hostsWith, pool }: ProtectionFacts): Protection | undefined {
  const { name } = host.metadata;
  const left = volumesLeftBehind(guest, pool);
  if (left !== undefined)
    return no('NoHost', `${notShared(left)}: move them to a StoragePool with shared: true`);
  if (guest.spec.placement?.host === name)
    return no('NoHost', `spec.placement.host keeps it on ${name}: remove that`);
  const [first, ...others] = poolsOf(guest);
  if (first === undefined) return undefined;
  const isOther = (one: Stored<Host>) =>
    one.metadata.name !== name &&
    one.status?.witness !== true &&
    [first, ...others].every((needed) => hasPool(one, needed));
  return hostsWith(first).some(isOther)
    ? undefined
    : no('NoHost', `no other host has ${[first, ...others].join(', ')}: see the StoragePool`);
}

function hasPool({ status }: Stored<Host>, name: string): boolean {
  return status?.pools?.some((pool) => pool.name === name) === true;
}

/** What its host holds of shared pools in memory is written out when guests are frozen, and a device that lies does not wait until that is done. */
function cachedOf(guest: StoredGuest, facts: ProtectionFacts): Protection | undefined {
  if (!isMachine(guest)) return containerCache(guest, facts);
  const cached = (guest.spec.disks ?? []).filter(
    ({ readOnly, cache }) => readOnly !== true && cache === 'writeback',
  );
  const names = cached.flatMap((disk) => (facts.pool(disk.pool)?.spec.shared === true ? [disk.name] : []));
  if (names.length === 0) return undefined;
  return no(
    'CacheNotFenced',
    `what its host holds of ${names.join(', ')} in memory may be written later than the guest runs elsewhere: take cache: writeback out of these disks and restart it`,
  );
}

/** A container writes through the memory of its host always: only a host without a watchdog could write later than its end is believed. */
function containerCache(guest: StoredGuest, { host, policy, pool }: ProtectionFacts): Protection | undefined {
  const isUnwatched = host.status?.keeper?.watchdog === 'None';
  const isBelieved = policy.spec.selfFenceWithoutWatchdog === 'Allow';
  const isShared = poolsOf(guest).some((name) => pool(name)?.spec.shared === true);
  if (!isUnwatched || !isBelieved || !isShared) return undefined;
  return no(
    'CacheNotFenced',
    `${host.metadata.name} has no watchdog, and what it holds of the container in memory may be written later than it runs elsewhere: give it one, or a FenceDevice and selfFenceWithoutWatchdog: Deny`,
  );
}
