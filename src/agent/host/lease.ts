/**
 * This host's Lease: renewed on a connection of its own, whatever else the agent does, and the clock by which the start gate closes. Valid
 * counts from the moment a renewal was sent, on the monotonic clock; two machines' clocks are never compared.
 */
import { HOST_LEASE_SECONDS, hostLeaseName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import { apiVersionOf, type Stored } from '../../api/meta.ts';
import { type Clock, microTimestamp } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { ApiError, type Client } from '../../client/contract.ts';

export type HostLease = {
  isValid(): boolean;
  /** Resolves when it is held for the first time. */
  readonly held: Promise<void>;
  /** Renews until the signal; never throws. */
  run(signal: AbortSignal): Promise<void>;
};

export type HostLeaseOptions = {
  client: Client;
  clock: Clock;
  log: Log;
  host: string;
  /** Tells two agents apart that were given one host name; the same after a restart. */
  identity: string;
};

const DURATION_MS = HOST_LEASE_SECONDS * 1_000;
const RENEW_EVERY_MS = DURATION_MS / 3;
const RETRY_MS = 500;

export function createHostLease({ client, clock, log, host, identity }: HostLeaseOptions): HostLease {
  const ref = { namespace: SYSTEM_NAMESPACE, name: hostLeaseName(host) };
  let lease: Stored<Lease> | undefined;
  let acknowledgedAt = Number.NEGATIVE_INFINITY;
  let stranger: { renewTime: string; seenAt: number } | undefined;
  let complaint = '';
  let markHeld = () => {};
  const held = new Promise<void>((resolve) => {
    markHeld = resolve;
  });

  const fresh = () => ({ holderIdentity: identity, leaseDurationSeconds: HOST_LEASE_SECONDS });

  /** Another agent of this name: its lease is taken only after it was seen unchanged for as long as it lasts. */
  const isStrangers = ({ spec }: Stored<Lease>): boolean => {
    if (spec.holderIdentity === identity || (spec.holderIdentity ?? '') === '') return false;
    const renewTime = spec.renewTime ?? '';
    if (stranger?.renewTime !== renewTime) stranger = { renewTime, seenAt: clock.monotonic() };
    return clock.monotonic() - stranger.seenAt <= DURATION_MS;
  };

  const renew = async (signal: AbortSignal): Promise<void> => {
    const request = { signal, timeoutMs: RENEW_EVERY_MS - RETRY_MS };
    lease ??= await client.find(Lease, ref, request);
    const renewTime = microTimestamp(clock);
    const sentAt = clock.monotonic();
    if (lease === undefined) {
      const object: Lease = {
        apiVersion: apiVersionOf(Lease),
        kind: Lease.kind,
        metadata: ref,
        spec: { ...fresh(), acquireTime: renewTime, renewTime, leaseTransitions: 0 },
      };
      lease = await client.create(Lease, object, request);
    } else {
      if (isStrangers(lease)) {
        lease = undefined;
        const message = `another agent calls itself ${host}: give one of them another name with --host`;
        throw new ApiError(409, 'HostNameTaken', message);
      }
      const { resourceVersion } = lease.metadata;
      const patch = { metadata: { resourceVersion }, spec: { ...fresh(), renewTime } };
      lease = await client.mergePatch(Lease, ref, patch, request);
    }
    acknowledgedAt = sentAt;
    markHeld();
  };

  return {
    held,
    isValid: () => clock.monotonic() - acknowledgedAt < DURATION_MS,
    run: async (signal) => {
      while (!signal.aborted) {
        let waitMs = RENEW_EVERY_MS;
        try {
          await renew(signal);
          if (complaint !== '') log.info('the lease is renewed again');
          complaint = '';
        } catch (error) {
          // What was known may be outdated (a conflict, a deleted lease): read it again.
          lease = undefined;
          waitMs = RETRY_MS;
          const message = error instanceof Error ? error.message : String(error);
          if (!signal.aborted && message !== complaint) log.warn('the lease was not renewed', { message });
          complaint = message;
        }
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    },
  };
}
