/** What a guest asks of a host. Guests with the same shape get the same answer of a host, whatever is promised there. Pure. */
import type { Stored } from '../../api/meta.ts';
import type { Toleration } from '../../api/placement.ts';
import { demandOf, type Guest, isMachine } from '../guests.ts';
import { type Company, companyOf } from './company.ts';
import { type GroupWish, groupWishOf } from './group.ts';
import type { FindGroup } from './membership.ts';

export type Shape = {
  kind: 'VirtualMachine' | 'Container';
  host: string | undefined;
  hostSelector: readonly (readonly [string, string])[];
  tolerations: readonly Toleration[];
  pools: readonly string[];
  bridges: readonly string[];
  /** Of machines: the recorded model, else the one asked for. */
  cpuModel: string | undefined;
  /** The only hosts its HAGroup allows. */
  bound: GroupWish['bound'];
};

export type Want = {
  shape: Shape;
  /** Equal for equal shapes. */
  shapeKey: string;
  cpus: number;
  memoryBytes: number;
  images: readonly string[];
  company: Company;
  /** By name of the host: how much its HAGroup prefers it. */
  preference: GroupWish['preference'];
  /** The HAGroup that would move it back to such hosts. */
  failback: GroupWish['failback'];
  /** Host it is on. */
  at: string | undefined;
};

export function wantOf(guest: Guest | Stored<Guest>, groupOf: FindGroup): Want {
  const group = groupOf(guest);
  const { kind, cpus, memoryBytes, pools, bridges, images } = demandOf(guest);
  const { host, hostSelector, tolerations } = guest.spec.placement ?? {};
  const { bound, preference, failback } = groupWishOf(group);
  const shape: Shape = {
    kind,
    host,
    hostSelector: Object.entries(hostSelector ?? {}).sort(),
    tolerations: tolerations ?? [],
    pools,
    bridges,
    cpuModel: cpuModelOf(guest),
    bound,
  };
  return {
    shape,
    shapeKey: JSON.stringify(shape),
    cpus,
    memoryBytes,
    images,
    company: companyOf(guest, group),
    preference,
    failback,
    at: guest.status?.placement?.host,
  };
}

/** A machine that has run keeps its model until it is restarted. */
function cpuModelOf(guest: Guest): string | undefined {
  return isMachine(guest) ? (guest.status?.effective?.['cpu.model'] ?? guest.spec.cpu?.model) : undefined;
}
