/** Virtual machines: from a VirtualMachine's spec to the request of the QEMU driver. Defaults of list items are resolved here. */

import { derivedMac } from '../../api/identity.ts';
import { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import { parseBytes } from '../../base/quantity.ts';
import type {
  DiskRequest,
  GuestHandle,
  GuestMemory,
  GuestSnapshots,
  GuestTransfer,
  HypervisorDriver,
  MachineHardware,
  MachineRequest,
  MachineSockets,
  NicRequest,
} from '../../drivers/hypervisor/contract.ts';
import type { NicWish } from '../../drivers/network/contract.ts';
import { CONTROLLERS } from '../access.ts';
import { type Attachments, attached, type GuestKind, type VolumePlan } from './kind.ts';

export type MachineDriver = HypervisorDriver<MachineRequest, MachineHardware> & {
  /** Where a machine's sockets are; absent when it has none (simulated). */
  sockets?(guest: GuestHandle): MachineSockets;
  /** Absent: machines cannot move while they run. */
  readonly transfer?: GuestTransfer<MachineRequest, MachineHardware>;
  readonly snapshots?: GuestSnapshots;
  readonly memory?: GuestMemory<MachineRequest, MachineHardware>;
};

type Spec = VirtualMachine['spec'];
type Disk = NonNullable<Spec['disks']>[number];
type Network = NonNullable<Spec['networks']>[number];

/** The adapter over one host's driver for machines. */
export function machineKind(
  driver: MachineDriver,
): GuestKind<VirtualMachine, MachineRequest, MachineHardware> {
  return {
    kind: VirtualMachine,
    controller: CONTROLLERS.machines,
    driver,
    ...(driver.transfer === undefined ? {} : { transfer: driver.transfer }),
    ...(driver.snapshots === undefined ? {} : { snapshots: driver.snapshots }),
    ...(driver.memory === undefined ? {} : { memory: driver.memory }),
    plugs: 'Tap',
    volumes: (spec) => (spec.disks ?? []).map(volumeOf),
    nics: (spec, uuid) => (spec.networks ?? []).map((network) => wishOf(network, uuid)),
    hostname: (machine) => machine.metadata.name,
    needsIdRange: () => false,
    isPrivileged: () => false,
    request: (machine, attachments, nics) => requestOf(machine.spec, attachments, nics),
    relocate: (running, attachments) => ({
      ...running,
      disks: running.disks.map((disk) => ({
        ...disk,
        volume: attached(attachments.volumes, disk.name).attachment,
      })),
      networks: running.networks.map((nic) => ({
        ...nic,
        attachment: attached(attachments.nics, nic.name),
      })),
    }),
    hardware: (recorded) => recorded as MachineHardware | undefined,
    effective: (spec, hardware, facts) => ({
      'cpu.sockets': String(spec.cpu?.sockets ?? 1),
      'cpu.cores': String(spec.cpu?.cores ?? 1),
      'cpu.threads': String(spec.cpu?.threads ?? 1),
      ...(facts.accelerator === undefined ? {} : { accelerator: facts.accelerator }),
      ...(hardware === undefined ? {} : { machine: hardware.machineType, 'cpu.model': hardware.cpuModel }),
    }),
    console: (guest) => {
      const sockets = driver.sockets?.(guest);
      return sockets === undefined ? undefined : { serial: sockets.serial, vnc: sockets.vnc };
    },
  };
}

function volumeOf(disk: Disk): VolumePlan {
  return {
    name: disk.name,
    pool: disk.pool,
    kind: 'Disk',
    format: disk.format ?? 'qcow2',
    reclaim: disk.reclaimPolicy ?? 'Delete',
    ...(disk.size === undefined ? {} : { sizeBytes: parseBytes(disk.size) }),
    ...(disk.source?.image === undefined ? {} : { image: disk.source.image.name }),
    ...(disk.source?.snapshot === undefined
      ? {}
      : { from: { snapshot: disk.source.snapshot.name, disk: disk.source.snapshot.disk ?? disk.name } }),
    ...(disk.source?.backup === undefined
      ? {}
      : { restore: { backup: disk.source.backup.name, disk: disk.source.backup.disk ?? disk.name } }),
  };
}

function wishOf(network: Network, uuid: string): NicWish {
  const to: NicWish['to'] =
    network.bridge !== undefined
      ? { type: 'Bridge', bridge: network.bridge.name }
      : network.nat !== undefined
        ? { type: 'Nat' }
        : { type: 'User' };
  return {
    name: network.name,
    mac: network.mac ?? derivedMac(uuid, network.name),
    to,
    ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
  };
}

function requestOf(spec: Spec, attachments: Attachments, nics: readonly NicWish[]): MachineRequest {
  return {
    machine: spec.machine ?? 'q35',
    cpu: {
      sockets: spec.cpu?.sockets ?? 1,
      cores: spec.cpu?.cores ?? 1,
      threads: spec.cpu?.threads ?? 1,
      ...(spec.cpu?.model === undefined ? {} : { model: spec.cpu.model }),
    },
    memoryBytes: parseBytes(spec.memory.size),
    firmware: spec.firmware?.type ?? 'BIOS',
    disks: (spec.disks ?? []).map((disk) => diskOf(disk, attachments)),
    networks: (spec.networks ?? []).map((network, index) => nicOf(network, nics[index], attachments)),
    guestAgent: spec.guestAgent?.enabled ?? true,
    display: spec.display ?? 'VNC',
  };
}

function diskOf(disk: Disk, { volumes }: Attachments): DiskRequest {
  const { attachment, sizeBytes, isShared } = attached(volumes, disk.name);
  // What a host keeps in memory of storage that others have too could come out after the disk was opened elsewhere.
  const cache = disk.cache ?? (isShared === true ? 'none' : undefined);
  return {
    name: disk.name,
    bus: disk.bus ?? 'virtio',
    readOnly: disk.readOnly ?? false,
    sizeBytes,
    volume: attachment,
    ...(cache === undefined ? {} : { cache }),
    ...(disk.serial === undefined ? {} : { serial: disk.serial }),
    ...(disk.bootOrder === undefined ? {} : { bootOrder: disk.bootOrder }),
  };
}

function nicOf(network: Network, wish: NicWish | undefined, { nics }: Attachments): NicRequest {
  if (wish === undefined) throw new Error(`no plan for the interface ${network.name}`);
  return {
    name: network.name,
    mac: wish.mac,
    model: network.model ?? 'virtio',
    linkState: network.linkState ?? 'Up',
    attachment: attached(nics, network.name),
    ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
  };
}
