/** Which host takes a guest: filters that give a reason, then the emptiest of those that are left. Pure. */

import type { GuestSpec } from '../../api/guest.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { parseBytes } from '../../base/quantity.ts';
import type { Demand } from '../guests.ts';
import type { Allocation } from './ledger.ts';

export type Choice = { host: string } | { reason: string; message: string };

type Candidate = { host: Stored<Host>; allocated: Allocation };

/** Why this host cannot take the guest, or undefined when it can. */
export function refusal(candidate: Candidate, spec: GuestSpec, demand: Demand): string | undefined {
  const { host } = candidate;
  return (
    hostRefusal(host, spec) ??
    kindRefusal(host, demand) ??
    poolRefusal(host, demand) ??
    memoryRefusal(candidate, demand)
  );
}

function hostRefusal(host: Stored<Host>, spec: GuestSpec): string | undefined {
  const wanted = spec.placement?.host;
  if (wanted !== undefined && wanted !== host.metadata.name) return `is not ${wanted}`;
  for (const [key, value] of Object.entries(spec.placement?.hostSelector ?? {})) {
    if (host.metadata.labels?.[key] !== value) return `has not the label ${key}=${value}`;
  }
  if (host.spec.unschedulable === true) return 'is unschedulable';
  const ready = host.status?.conditions?.find((condition) => condition.type === 'Ready');
  if (ready?.status !== 'True') return `is not ready (${ready?.reason ?? 'NotReported'})`;
  return undefined;
}

function kindRefusal(host: Stored<Host>, demand: Demand): string | undefined {
  if (demand.kind === 'VirtualMachine' && (host.status?.cpu?.accelerator ?? 'none') === 'none') {
    return 'cannot run virtual machines (QEMU is missing)';
  }
  if (demand.kind === 'Container' && host.status?.lxc === undefined)
    return 'cannot run containers (LXC is missing)';
  const bridges = host.status?.networks?.bridges ?? [];
  const missing = demand.bridges.find((bridge) => !bridges.includes(bridge));
  return missing === undefined ? undefined : `has no bridge ${missing} that guests may use`;
}

function poolRefusal(host: Stored<Host>, demand: Demand): string | undefined {
  for (const name of demand.pools) {
    const pool = host.status?.pools?.find((known) => known.name === name);
    if (pool === undefined) return `does not have the pool ${name}`;
    if (!pool.healthy) return `cannot use the pool ${name} (${pool.reason ?? 'Unhealthy'})`;
  }
  return undefined;
}

function memoryRefusal({ host, allocated }: Candidate, demand: Demand): string | undefined {
  const allocatable = parseBytes(host.status?.allocatable?.memory ?? '0');
  return allocated.memoryBytes + demand.memoryBytes > allocatable ? 'has not enough memory left' : undefined;
}

/** The host with the largest share of memory left after taking the guest; ties go by name, so equal inputs give equal answers. */
export function chooseHost(candidates: readonly Candidate[], spec: GuestSpec, demand: Demand): Choice {
  const wanted = spec.placement?.host;
  if (wanted !== undefined && !candidates.some(({ host }) => host.metadata.name === wanted)) {
    return { reason: 'HostNotFound', message: `spec.placement.host: there is no Host ${wanted}` };
  }
  let best: { name: string; share: number; guests: number } | undefined;
  const refusals: string[] = [];
  for (const candidate of candidates) {
    const name = candidate.host.metadata.name;
    const why = refusal(candidate, spec, demand);
    if (why !== undefined) {
      if (refusals.length < 8 && (wanted === undefined || wanted === name)) refusals.push(`${name} ${why}`);
      continue;
    }
    const total = parseBytes(candidate.host.status?.allocatable?.memory ?? '1');
    const share = (candidate.allocated.memoryBytes + demand.memoryBytes) / total;
    const fits = { name, share, guests: candidate.allocated.guests };
    if (best === undefined || better(fits, best)) best = fits;
  }
  if (best !== undefined) return { host: best.name };
  const message = refusals.length === 0 ? 'there is no Host yet' : refusals.join('; ');
  return { reason: candidates.length === 0 ? 'NoHosts' : 'NoHostFits', message };
}

function better(a: { name: string; share: number; guests: number }, b: typeof a): boolean {
  if (a.share !== b.share) return a.share < b.share;
  if (a.guests !== b.guests) return a.guests < b.guests;
  return a.name < b.name;
}
