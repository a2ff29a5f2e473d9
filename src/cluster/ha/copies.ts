/**
 * Leases as a restore of the API from an older copy has left them. What such a Lease says its host guards was so at the time of the copy: whoever reads
 * it waits for the host's next renewal, also when the host's agent has spoken before its keeper.
 */
import type { HostLease } from './observer.ts';

/** Of the hosts that had not spoken since the restore when this manager looked, those whose Lease is still the one that stood there then. */
export type CopiedLeases = (
  unreported: readonly string[],
  leases: readonly Pick<HostLease, 'host' | 'version'>[],
) => string[];

export function createCopiedLeases(): CopiedLeases {
  const standing = new Map<string, HostLease['version']>();
  return (unreported, leases) => {
    for (const { host, version } of leases)
      if (!standing.has(host) && unreported.includes(host)) standing.set(host, version);
    return leases.flatMap(({ host, version }) => (standing.get(host) === version ? [host] : []));
  };
}
