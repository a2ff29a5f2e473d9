/**
 * The Lease behind leadership (https://kubernetes.io/docs/concepts/architecture/leases/): taking, renewing and giving it up,
 * one attempt at a time. Times on the Lease are for people: whether another's has run out is judged by our own clock since we
 * saw it change, so that clocks that differ cannot make two leaders.
 */
import { Lease } from '../api/core.ts';
import type { Stored } from '../api/meta.ts';
import { microTimestamp } from '../base/clock.ts';
import type { World } from '../base/world.ts';
import type { Client } from '../client/contract.ts';
import { ApiError } from '../client/contract.ts';

export type LeaderOptions = {
  /** A connection of its own: a long list must not delay a renewal. */
  client: Client;
  world: Pick<World, 'clock' | 'random' | 'log'>;
  namespace: string;
  name: string;
  /** Unique to this process. */
  identity: string;
  /** Others wait this long after the last renewal they saw; default 6 s. */
  leaseDurationMs?: number;
  /** The leader resigns when its last renewal is this old; default three quarters of the duration. */
  renewDeadlineMs?: number;
  /** Between renewals, and between attempts to become leader; default 1 s. */
  renewIntervalMs?: number;
};

export type Timing = { durationMs: number; deadlineMs: number; intervalMs: number };

/** Throws when the three times cannot work together. */
export function timingOf(options: LeaderOptions): Timing {
  const durationMs = options.leaseDurationMs ?? 6_000;
  const deadlineMs = options.renewDeadlineMs ?? durationMs * 0.75;
  const intervalMs = options.renewIntervalMs ?? 1_000;
  if (!(intervalMs < deadlineMs && deadlineMs < durationMs)) {
    throw new Error('a lease needs renewIntervalMs < renewDeadlineMs < leaseDurationMs');
  }
  return { durationMs, deadlineMs, intervalMs };
}

function specOf(
  { world, identity }: LeaderOptions,
  timing: Timing,
  old: Lease['spec'] | undefined,
): Lease['spec'] {
  const now = microTimestamp(world.clock);
  const isOurs = old?.holderIdentity === identity;
  const transitions = old?.leaseTransitions ?? 0;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(timing.durationMs / 1000),
    acquireTime: isOurs ? (old?.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: isOurs || old === undefined ? transitions : transitions + 1,
  };
}

/** What this process knows of the Lease. */
type Observed = { lease: Stored<Lease>; sinceMs: number };

export type Election = {
  /** True when the lease is ours now. One attempt with a deadline. */
  attempt(timeoutMs: number): Promise<boolean>;
  /** Gives the lease up, so that the next leader need not wait. */
  release(): Promise<void>;
};

/** One process's view of one Lease. */
export function createElection(options: LeaderOptions, timing: Timing): Election {
  const { client, world, namespace, name, identity } = options;
  const { clock, log } = world;
  let observed: Observed | undefined;

  const observe = (lease: Stored<Lease>): void => {
    const { uid, resourceVersion } = lease.metadata;
    const known = observed?.lease.metadata;
    if (known?.uid === uid && known.resourceVersion === resourceVersion) return;
    observed = { lease, sinceMs: clock.monotonic() };
  };

  const isFree = ({ lease, sinceMs }: Observed): boolean => {
    const { holderIdentity, leaseDurationSeconds } = lease.spec;
    if ((holderIdentity ?? '') === '' || holderIdentity === identity) return true;
    // The holder's own duration counts where it is longer than ours: replicas may be configured differently.
    const waitMs = Math.max(timing.durationMs, (leaseDurationSeconds ?? 0) * 1000);
    return clock.monotonic() - sinceMs >= waitMs;
  };

  const write = async (timeoutMs: number): Promise<boolean> => {
    if (observed === undefined || observed.lease.spec.holderIdentity !== identity) {
      const found = await client.find(Lease, { namespace, name }, { timeoutMs });
      if (found === undefined) {
        const apiVersion = 'coordination.k8s.io/v1';
        const spec = specOf(options, timing, undefined);
        const fresh: Lease = { apiVersion, kind: 'Lease', metadata: { name, namespace }, spec };
        observe(await client.create(Lease, fresh, { timeoutMs }));
        return true;
      }
      observe(found);
    }
    if (observed === undefined || !isFree(observed)) return false;
    const { lease } = observed;
    const spec = { ...lease.spec, ...specOf(options, timing, lease.spec) };
    observe(await client.update(Lease, { ...lease, spec }, { timeoutMs }));
    return true;
  };

  return {
    attempt: async (timeoutMs) => {
      try {
        return await write(timeoutMs);
      } catch (error) {
        // After a conflict or a lost answer the server knows better who holds it; the time of observation stays.
        const isRefused = error instanceof ApiError && (error.code === 409 || error.code === 404);
        if (isRefused && observed?.lease.spec.holderIdentity === identity) observed = undefined;
        if (!isRefused) log.warn('the leader lease was not reached', { lease: name, error: String(error) });
        return false;
      }
    },
    release: async () => {
      const lease = observed?.lease;
      if (lease?.spec.holderIdentity !== identity) return;
      const spec = {
        ...lease.spec,
        holderIdentity: '',
        renewTime: microTimestamp(clock),
        leaseDurationSeconds: 1,
      };
      try {
        await client.update(Lease, { ...lease, spec }, { timeoutMs: 2_000 });
      } catch (error) {
        log.warn('the leader lease was not handed over', { lease: name, error: String(error) });
      }
    },
  };
}
