/** Reads all hosts' Leases consistently, and says what their keepers state as the observer of the engine wants it. */
import { keeperLeaseName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import { readStatement } from '../../api/keeperLease.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/contract.ts';
import type { HostLease } from '../ha/observer.ts';

const PREFIX = keeperLeaseName('');

/** One read of all Leases: when it began and ended on this process's clock, and the resourceVersion of each, by host. */
export type LeaseRead = {
  leases: readonly HostLease[];
  /** Version of the vote table each host counts by. */
  stated: ReadonlyMap<string, number>;
  startedAt: number;
  endedAt: number;
};

/**
 * Never from a cache: no resourceVersion is asked for. `knownVotes`: a self-fence of a host that counts otherwise proves nothing. `trustsPausable`:
 * that of a host that may be paused does.
 */
export async function readLeases(
  client: Client,
  clock: Clock,
  { signal, timeoutMs, ...trust }: Trust & { signal: AbortSignal; timeoutMs: number },
): Promise<LeaseRead> {
  const startedAt = clock.monotonic();
  const { items } = await client.list(Lease, { namespace: SYSTEM_NAMESPACE, signal, timeoutMs });
  const endedAt = clock.monotonic();
  const found = items.flatMap((lease) => hostLeaseOf(lease, trust) ?? []);
  return {
    ...{ startedAt, endedAt },
    leases: found.map(({ lease }) => lease),
    stated: new Map(found.map(({ lease, votesVersion }) => [lease.host, votesVersion])),
  };
}

type Trust = { knownVotes: ReadonlySet<number>; trustsPausable: boolean };

function hostLeaseOf(
  { metadata }: Stored<Lease>,
  { knownVotes, trustsPausable }: Trust,
): { lease: HostLease; votesVersion: number } | undefined {
  if (!metadata.name.startsWith(PREFIX)) return undefined;
  const statement = readStatement(metadata);
  if (statement === undefined) return undefined;
  const { guarded, votesVersion, pausable, ...rest } = statement;
  return {
    votesVersion,
    lease: {
      ...rest,
      host: metadata.name.slice(PREFIX.length),
      pausable: (pausable && !trustsPausable) || !knownVotes.has(votesVersion),
      guarded: new Set(guarded),
      version: metadata.resourceVersion,
    },
  };
}
