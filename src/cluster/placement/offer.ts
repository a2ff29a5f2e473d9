/** What a Host offers to guests, read once for each change of the Host and not once for each guest. Pure. */
import { overcommitted } from '../../api/haPolicy.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { Taint } from '../../api/placement.ts';
import { parseBytes, parseCpus } from '../../base/quantity.ts';
import { findCondition } from '../../runtime/conditions.ts';

export type Offer = {
  name: string;
  labels: Readonly<Record<string, string>>;
  /** Why nobody new comes here, whoever it is. */
  shut: string | undefined;
  taints: readonly Taint[];
  accelerator: string;
  /** Flags of the processor; undefined when the host does not say. */
  flags: ReadonlySet<string> | undefined;
  hasLxc: boolean;
  bridges: ReadonlySet<string>;
  /** By name: why it cannot be used, empty when it can. */
  pools: ReadonlyMap<string, string>;
  /** Images that lie here already. */
  images: ReadonlySet<string>;
  /** What may be promised in all: allocatable less spec.reserved, times spec.overcommit or what the ClusterPolicy says. */
  cpus: number;
  memoryBytes: number;
  /** How the memory comes about, for people: `32Gi x 1.5`; absent where it is what the host has. */
  memoryInWords?: string;
  /** Allocatable less spec.reserved: what guests can really use. */
  real: { cpus: number; memoryBytes: number };
};

/** KubeVirt's cpuAllocationRatio: a virtual CPU is given a tenth of a CPU at least. https://kubevirt.io/user-guide/compute/node_overcommit/ */
const CPU_PERCENT = 1_000;
/** Memory that is promised twice is found missing when it is too late. */
export const NO_OVERCOMMIT = 1;

/** `memoryOvercommit`: the ClusterPolicy's, for hosts that have no word of their own. Nowhere else is it applied. */
export function offerOf(host: Stored<Host>, memoryOvercommit: number): Offer {
  const { metadata, spec, status } = host;
  const { reserved, overcommit } = spec;
  const { cpu = 0, memory = '0' } = status?.allocatable ?? {};
  const real = {
    cpus: Math.max(0, cpu - parseCpus(reserved?.cpu ?? '0')),
    memoryBytes: Math.max(0, parseBytes(memory) - parseBytes(reserved?.memory ?? '0')),
  };
  const { memoryPercent } = overcommit ?? {};
  const factor = memoryPercent === undefined ? memoryOvercommit : memoryPercent / 100;
  const promised = overcommitted(real.memoryBytes, factor);
  return {
    name: metadata.name,
    labels: metadata.labels ?? {},
    shut: shutReason(host),
    taints: spec.taints ?? [],
    accelerator: status?.cpu?.accelerator ?? 'none',
    flags: status?.cpu?.flags === undefined ? undefined : new Set(status.cpu.flags),
    hasLxc: status?.lxc !== undefined,
    bridges: new Set(status?.networks?.bridges ?? []),
    pools: new Map(
      (status?.pools ?? []).map(({ name, healthy, reason }) => [
        name,
        healthy ? '' : (reason ?? 'Unhealthy'),
      ]),
    ),
    images: new Set(
      (status?.images ?? []).filter(({ state }) => state === 'Available').map(({ name }) => name),
    ),
    cpus: (real.cpus * (overcommit?.cpuPercent ?? CPU_PERCENT)) / 100,
    memoryBytes: promised.bytes,
    ...(promised.inWords === undefined ? {} : { memoryInWords: promised.inWords }),
    real,
  };
}

function shutReason(host: Stored<Host>): string | undefined {
  const { metadata, spec, status } = host;
  if (metadata.deletionTimestamp !== undefined) return 'is being removed';
  if (spec.maintenance?.enabled === true) return 'is in maintenance';
  if (spec.unschedulable === true) return 'is unschedulable';
  if (isShuttingDown(host)) return 'is shutting down';
  const ready = findCondition(status?.conditions, 'Ready');
  if (ready?.status !== 'True') return `is not ready (${ready?.reason ?? 'NotReported'})`;
  return status?.state === 'Offline' ? 'is offline' : undefined;
}

/** Its agent has announced that this boot ends; of the boot before it says nothing. */
export function isShuttingDown({ status }: { status?: Host['status'] | undefined }): boolean {
  return status?.shutdown !== undefined && status.shutdown.bootID === (status.bootID ?? '');
}

/** Equal texts: the offer is the same. Hosts report much that placement does not look at. */
export function fingerprint(offer: Offer): string {
  return JSON.stringify(offer, (_, value: unknown) =>
    value instanceof Set || value instanceof Map ? [...value] : value,
  );
}
