/** What a Host offers to guests, read once for each change of the Host and not once for each guest. Pure. */
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
  /** What may be promised in all: allocatable less spec.reserved, times spec.overcommit. */
  cpus: number;
  memoryBytes: number;
};

/** KubeVirt's cpuAllocationRatio: a virtual CPU is given a tenth of a CPU at least. https://kubevirt.io/user-guide/compute/node_overcommit/ */
const CPU_PERCENT = 1_000;
/** Memory that is promised twice is found missing when it is too late. */
const MEMORY_PERCENT = 100;

export function offerOf(host: Stored<Host>): Offer {
  const { metadata, spec, status } = host;
  const { reserved, overcommit } = spec;
  const cpus = (status?.allocatable?.cpu ?? 0) - parseCpus(reserved?.cpu ?? '0');
  const memory = parseBytes(status?.allocatable?.memory ?? '0') - parseBytes(reserved?.memory ?? '0');
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
    cpus: (Math.max(cpus, 0) * (overcommit?.cpuPercent ?? CPU_PERCENT)) / 100,
    memoryBytes: Math.floor((Math.max(memory, 0) * (overcommit?.memoryPercent ?? MEMORY_PERCENT)) / 100),
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
