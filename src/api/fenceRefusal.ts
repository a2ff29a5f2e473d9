/**
 * Whether a FenceAction may be executed, asked by whoever does so right before the deed. Both answers must be consistent reads: what a cache holds may
 * be of before the host was heard again.
 */
import { keeperLeaseName, SYSTEM_NAMESPACE } from './cluster.ts';
import type { Lease } from './core.ts';
import { type FenceActionSpec, NO_LEASE } from './kinds/fenceAction.ts';
import type { Host } from './kinds/host.ts';
import type { Stored } from './meta.ts';

export type FenceReads = {
  host(ref: { name: string }): Promise<Stored<Host> | undefined>;
  lease(ref: { namespace: string; name: string }): Promise<Stored<Lease> | undefined>;
};

/** Why nothing may be done, or undefined. */
export async function refusalOf(spec: FenceActionSpec, reads: FenceReads): Promise<string | undefined> {
  // The Host first: who renews after it was found open is seen in the Lease.
  const host = await reads.host({ name: spec.host });
  const lease = await reads.lease({ namespace: SYSTEM_NAMESPACE, name: keeperLeaseName(spec.host) });
  if (!isOpen(host, spec)) return 'the incident is over';
  // Stored first, so that nobody takes the host for one that has its storage.
  if (spec.method === 'Revoke' && host?.status?.ha?.revoked !== spec.bootID)
    return 'it is not on record that storage is to be taken from the host';
  return (lease?.metadata.resourceVersion ?? NO_LEASE) === spec.leaseVersion
    ? undefined
    : 'the host has renewed its Lease since';
}

/** The incident it was asked for is looked into still, and nothing is proven of the whole host. */
export function isOpen(host: Stored<Host> | undefined, spec: FenceActionSpec): boolean {
  const { state, incident } = host?.status?.ha ?? {};
  const isSameLife = incident?.bootID === spec.bootID && incident.term === spec.term;
  return state === 'Fencing' && incident?.id === spec.incident && isSameLife;
}
