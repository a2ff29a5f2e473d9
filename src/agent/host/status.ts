/** The Host's status as its agent says it: one pure function. What the manager writes (state, allocated, Ready, Schedulable) is kept. */
import { PROTOCOL_VERSION } from '../../api/cluster.ts';
import type { HostStatus } from '../../api/kinds/host.ts';
import { byTime, timeOf } from '../../base/clock.ts';
import { formatBytes } from '../../base/quantity.ts';
import type { HypervisorFacts } from '../../drivers/hypervisor/contract.ts';
import type { NetworkFacts } from '../../drivers/network/contract.ts';
import type { KeeperState } from '../../keeper/contract.ts';
import type { Trust } from '../cluster/controlPlane.ts';
import type { AgentConfig } from '../config.ts';
import type { ImageState } from '../images/table.ts';
import type { Place } from '../peers/peers.ts';
import { TOLD_AT_MOST } from '../pools/archives.ts';
import type { PoolState } from '../pools/table.ts';
import { hostConditions } from './conditions.ts';
import type { HostFacts } from './facts.ts';
import type { HostGuest } from './inventory.ts';

/** Everything the report is made from. */
export type HostView = {
  facts: HostFacts;
  version: string;
  config: Pick<AgentConfig, 'reserved'>;
  machines: HypervisorFacts;
  containers: HypervisorFacts;
  simulated: boolean;
  /** It votes and runs no guests. */
  witness: boolean;
  network: NetworkFacts;
  pools: ReadonlyMap<string, PoolState>;
  images: ReadonlyMap<string, ImageState>;
  guests: readonly HostGuest[];
  orphans: readonly string[];
  /** The keeper's last word; absent while there is none. */
  keeper?: KeeperState;
  /** Where its agent listens for others; undefined: it does not yet, and what was said stands. */
  peers: Place | undefined;
  /** `status.shutdown` over what stands there. */
  shutdown(before: HostStatus): Pick<HostStatus, 'shutdown'>;
  trust: Trust;
  incarnation: number | undefined;
  /** Informers have synced and all records are looked after. */
  started: boolean;
  /** The agent has just begun: what it has not looked at yet stays as it was said before, so that a restart makes no news. */
  beginning: boolean;
  generation: number | undefined;
  /** Wall clock, milliseconds. */
  now: number;
};

/** The agent's part of the status over what stands there. */
export function hostStatus(stored: HostStatus, view: HostView): HostStatus {
  const { keeper: _, witness: __, shutdown: ___, ...before } = stored;
  const { facts, version, machines, containers, network } = view;
  return {
    ...before,
    ...(view.generation === undefined ? {} : { observedGeneration: view.generation }),
    conditions: hostConditions(before.conditions ?? [], view),
    agentVersion: version,
    protocolVersion: PROTOCOL_VERSION,
    cgroup: facts.cgroup,
    kernelFeatures: [...facts.kernelFeatures],
    cpu: cpuField(view),
    ...amounts(view),
    pools: withUnseen(poolFields(view.pools), before.pools, view),
    images: withUnseen(imageFields(view.images), before.images, view),
    ...archiveFields(before, view),
    guests: [...view.guests],
    networks: {
      bridges: network.bridges.slice(0, 64),
      ...(network.nat === undefined ? {} : { nat: network.nat.subnet }),
    },
    ...inventoryFields(before, view),
    ...keeperField(view.keeper),
    ...view.shutdown(stored),
    ...(view.witness ? { witness: true } : {}),
    ...(view.peers === undefined ? {} : { peers: view.peers }),
    ...present('address', facts.address),
    ...present('bootID', facts.bootID),
    ...present('machineID', facts.machineID),
    ...present('kernel', facts.kernel),
    ...present('qemu', machines.available ? machines.version : undefined),
    ...present('lxc', containers.available ? containers.version : undefined),
  };
}

function present<K extends string>(key: K, value: string | undefined): { [k in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [k in K]: string });
}

/** Absent while high availability is off. */
function keeperField(keeper: KeeperState | undefined): Pick<HostStatus, 'keeper'> {
  if (keeper?.life === undefined) return {};
  const selfFenced = present('selfFencedAt', keeper.selfFencedAt);
  return { keeper: { ...keeper.life, watchdog: keeper.watchdog, ...selfFenced } };
}

function cpuField({ facts, machines, simulated }: HostView): NonNullable<HostStatus['cpu']> {
  const { model, vendor, count, virtualization, flags } = facts.cpu;
  const accelerator = simulated
    ? 'simulated'
    : machines.available
      ? (machines.accelerator ?? 'none')
      : 'none';
  return {
    ...present('model', model),
    ...present('vendor', vendor),
    count,
    virtualization,
    accelerator,
    flags: [...flags],
  };
}

function amounts({ facts, config }: HostView): Pick<HostStatus, 'capacity' | 'allocatable'> {
  const { count } = facts.cpu;
  const cpus = Math.max(0, Math.floor(count - config.reserved.cpus));
  const memory = Math.max(0, facts.memoryBytes - config.reserved.memoryBytes);
  return {
    capacity: { cpu: count, memory: formatBytes(facts.memoryBytes) },
    allocatable: { cpu: cpus, memory: formatBytes(memory) },
  };
}

/** While the agent begins, what it reported before and has not come to yet is still there. */
function withUnseen<T extends { name: string }>(
  seen: T[],
  before: readonly T[] | undefined,
  { beginning }: HostView,
): T[] {
  if (!beginning || before === undefined) return seen;
  const names = new Set(seen.map(({ name }) => name));
  return [...seen, ...before.filter(({ name }) => !names.has(name))].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
}

function poolFields(pools: ReadonlyMap<string, PoolState>): NonNullable<HostStatus['pools']> {
  return [...pools]
    .flatMap(([name, pool]) => (pool.type === 'Elsewhere' ? [] : [poolField(name, pool)]))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, 64);
}

/** Only where somebody has asked for them; before the pools are open what was said stands. */
function archiveFields(before: HostStatus, { pools, beginning }: HostView): Pick<HostStatus, 'archives'> {
  const found = [...pools].flatMap(([pool, state]) =>
    state.type === 'Open' ? (state.archives ?? []).map((archive) => ({ ...archive, pool })) : [],
  );
  if (beginning && found.length === 0)
    return before.archives === undefined ? {} : { archives: before.archives };
  if (found.length === 0) return before.archives === undefined ? {} : { archives: [] };
  const newest = found.toSorted((a, b) => byTime(b.takenAt, a.takenAt)).slice(0, TOLD_AT_MOST);
  return { archives: newest.toSorted((a, b) => (a.archive < b.archive ? -1 : 1)) };
}

function poolField(
  name: string,
  pool: Exclude<PoolState, { type: 'Elsewhere' }>,
): NonNullable<HostStatus['pools']>[number] {
  if (pool.type === 'Broken') {
    const { reason, message } = pool;
    const nothing = { snapshot: false, clone: false, thin: false, resize: false };
    return { name, healthy: false, reason: reason.slice(0, 64), message: message.slice(0, 1024), ...nothing };
  }
  const { facts, driver } = pool;
  const { snapshots, clone, thin, resize } = driver.capabilities;
  return {
    name,
    healthy: facts.healthy,
    ...present('reason', facts.healthy ? undefined : facts.reason?.slice(0, 64)),
    ...present('message', facts.healthy ? undefined : facts.message?.slice(0, 1024)),
    ...(facts.totalBytes > 0 ? { total: formatBytes(facts.totalBytes) } : {}),
    used: formatBytes(facts.usedBytes),
    allocated: formatBytes(facts.allocatedBytes),
    snapshot: Object.keys(snapshots).length > 0,
    clone,
    thin,
    resize,
    ...(driver.revocations === undefined ? {} : { revoke: true }),
  };
}

function imageFields(images: ReadonlyMap<string, ImageState>): NonNullable<HostStatus['images']> {
  return [...images]
    .map(([name, { state, reason, message, facts }]) => ({
      name,
      state,
      ...present('reason', reason?.slice(0, 64)),
      ...present('message', message?.slice(0, 1024)),
      ...(facts === undefined
        ? {}
        : {
            format: facts.format,
            virtualSize: formatBytes(facts.virtualSizeBytes),
            checksum: facts.checksum,
            sourceHash: facts.sourceHash,
          }),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, 256);
}

/** The inventory counts for the incarnation it was complete for: a new one asks for it again. */
function inventoryFields(
  before: HostStatus,
  { trust, incarnation, now }: HostView,
): Pick<HostStatus, 'incarnation' | 'inventoryAt'> {
  if (incarnation === undefined) return {};
  if (trust.type !== 'Trusted') return { incarnation };
  const isKnown = before.incarnation === incarnation && before.inventoryAt !== undefined;
  return { incarnation, ...(isKnown ? {} : { inventoryAt: timeOf(now) }) };
}
