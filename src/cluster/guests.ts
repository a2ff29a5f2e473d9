/** What placement and the other cluster controllers need to know of a guest of either kind. Pure. */

import type { GuestSpec, GuestStatus } from '../api/guest.ts';
import type { GuestName } from '../api/identity.ts';
import type { Container, ContainerSpec } from '../api/kinds/container.ts';
import type { VirtualMachine, VirtualMachineSpec } from '../api/kinds/virtualMachine.ts';
import type { KubeObject, Stored } from '../api/meta.ts';
import { parseBytes, parseCpus } from '../base/quantity.ts';

export type Guest = VirtualMachine | Container;
export type StoredGuest = Stored<VirtualMachine> | Stored<Container>;
/** A guest seen without its kind's own fields. */
export type AnyGuest = KubeObject<GuestSpec, GuestStatus>;

/** What a guest asks of a host. */
export type Demand = {
  kind: GuestName['kind'];
  cpus: number;
  memoryBytes: number;
  pools: readonly string[];
  images: readonly string[];
  /** Names of Snapshots in its namespace: where they lie it has to be made. */
  snapshots: readonly string[];
  /** Names of Backups in its namespace: likewise. */
  backups: readonly string[];
  bridges: readonly string[];
};

export function isMachine(guest: Guest): guest is VirtualMachine {
  return guest.kind === 'VirtualMachine';
}

export function nameOf(guest: Guest): GuestName {
  return {
    kind: isMachine(guest) ? 'VirtualMachine' : 'Container',
    namespace: guest.metadata.namespace ?? 'default',
    name: guest.metadata.name,
  };
}

/** Each pass over a guest asks for it several times. */
const demands = new WeakMap<object, Demand>();

export function demandOf(guest: Guest): Demand {
  const known = demands.get(guest.spec);
  if (known !== undefined) return known;
  const demand = isMachine(guest) ? machineDemand(guest.spec) : containerDemand(guest.spec);
  demands.set(guest.spec, demand);
  return demand;
}

/** Pools of all its volumes: those it is to have, and those its process may have open still. */
export function poolsOf(guest: StoredGuest): string[] {
  return distinct([...demandOf(guest).pools, ...(guest.status?.volumes ?? []).map(({ pool }) => pool)]);
}

/** The guest as if volumes of it were in these pools too: to choose a host for it by, never to be written. */
export function needingPools(guest: Guest, pools: readonly string[]): Guest {
  if (pools.length === 0) return guest;
  const demand = demandOf(guest);
  const needing = { ...guest, spec: { ...guest.spec } } as Guest;
  demands.set(needing.spec, { ...demand, pools: distinct([...demand.pools, ...pools]) });
  return needing;
}

function machineDemand(spec: VirtualMachineSpec): Demand {
  const disks = spec.disks ?? [];
  return {
    kind: 'VirtualMachine',
    cpus: (spec.cpu?.sockets ?? 1) * (spec.cpu?.cores ?? 1) * (spec.cpu?.threads ?? 1),
    memoryBytes: parseBytes(spec.memory.size),
    pools: distinct(disks.map((disk) => disk.pool)),
    images: distinct(disks.flatMap((disk) => disk.source?.image?.name ?? [])),
    snapshots: distinct(disks.flatMap((disk) => disk.source?.snapshot?.name ?? [])),
    backups: distinct(disks.flatMap((disk) => disk.source?.backup?.name ?? [])),
    bridges: distinct((spec.networks ?? []).flatMap((nic) => nic.bridge?.name ?? [])),
  };
}

function containerDemand(spec: ContainerSpec): Demand {
  const { snapshot, backup } = spec.rootfs.source ?? {};
  return {
    kind: 'Container',
    cpus: spec.cpu?.limit === undefined ? (spec.cpu?.cores ?? 0) : parseCpus(spec.cpu.limit),
    memoryBytes: spec.memory === undefined ? 0 : parseBytes(spec.memory),
    pools: [spec.rootfs.pool],
    images: snapshot === undefined && backup === undefined ? [spec.image] : [],
    snapshots: snapshot === undefined ? [] : [snapshot.name],
    backups: backup === undefined ? [] : [backup.name],
    bridges: distinct((spec.networks ?? []).flatMap((nic) => nic.bridge?.name ?? [])),
  };
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}
