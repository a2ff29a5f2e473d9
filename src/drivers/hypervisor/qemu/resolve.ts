/**
 * What a machine is pinned to at its first start: versioned chipset, CPU model and the address of each device. Later plans keep all of it,
 * because a guest that finds its disk or interface elsewhere may not boot. Pure.
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type {
  DiskRequest,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
  NicRequest,
} from '../contract.ts';
import {
  balloonId,
  diskId,
  nicId,
  rngId,
  rootPortId,
  rootPortIds,
  scsiController,
  serialController,
  vgaId,
} from './plan/ids.ts';

/**
 * Before 9.0 QEMU's emulator forgets to note some pages that the guest writes to while its memory is sent or kept, if that memory is a multiple
 * of 256 KiB: the target goes on with older ones. A little more, in QEMU's unit of 8 KiB, and each page is looked at by itself.
 * https://gitlab.com/qemu-project/qemu/-/commit/03bfc2188f061aa8381403f9280555f4e22c35a2
 */
const oddMemoryKib = 8;

/** A port costs the guest's firmware and kernel time at each start, up to 0.1 s under emulation: a machine of little memory has fewer, as in KubeVirt. */
const rootPorts = { small: 8, other: 16 };
const smallBytes = 2 * 1024 ** 3;
/** Of its ports, those that a small machine must have left at its first start. */
const freePorts = 4;

/** The hardware of this request. Throws ReasonedError QemuMissing, TooManyDevices. */
export function resolveHardware(
  request: MachineRequest,
  pinned: MachineHardware | undefined,
  facts: HypervisorFacts,
): MachineHardware {
  const kept = pinned !== undefined && isChipset(pinned.machineType, request.machine) ? pinned : undefined;
  return {
    machineType: kept?.machineType ?? newestType(request.machine, facts),
    cpuModel: resolveCpu(request.cpu.model, kept?.cpuModel, facts),
    addresses: resolveAddresses(request, kept?.addresses ?? {}),
    // Not pinned: the next start may be on another accelerator.
    ...(facts.accelerator === 'tcg' ? { extraMemoryKib: oddMemoryKib } : {}),
  };
}

function newestType(machine: MachineRequest['machine'], facts: HypervisorFacts): string {
  const type = facts.qemu?.machineTypes[machine];
  if (type !== undefined) return type;
  throw new ReasonedError('QemuMissing', facts.message ?? 'QEMU is not usable on this host', {
    stalled: true,
  });
}

/** A machine that was asked to change its chipset is another machine. */
function isChipset(machineType: string, machine: MachineRequest['machine']): boolean {
  return machineType.startsWith('pc-q35-') === (machine === 'q35');
}

/** A model that is asked for is taken; else the pinned one; else one that the next host most likely has too. */
function resolveCpu(wanted: string | undefined, pinned: string | undefined, facts: HypervisorFacts): string {
  const native = facts.accelerator === 'kvm';
  if (wanted !== undefined) return wanted.toLowerCase() === 'host' ? (native ? 'host' : 'max') : wanted;
  return pinned ?? (native ? 'x86-64-v2' : 'max');
}

type Addresses = Readonly<Record<string, string>>;

function resolveAddresses(request: MachineRequest, pinned: Addresses): Addresses {
  const ports = range(0, portsOf(request, pinned) - 1, rootPortId);
  const slots = request.machine === 'q35' ? [...ports, ...besidePorts] : legacySlots;
  const addresses: Record<string, string> = builtInAddresses(request.machine, ports);
  const wishes = [...request.disks.map(diskWish(slots)), ...request.networks.map(nicWish(slots))];
  for (const { id, slots } of wishes) {
    const known = pinned[id];
    if (known !== undefined && slots.includes(known)) addresses[id] = known;
  }
  for (const { id, slots } of wishes) {
    if (addresses[id] !== undefined) continue;
    const taken = new Set(Object.values(addresses));
    const free = slots.find((slot) => !taken.has(slot));
    if (free === undefined) {
      throw new ReasonedError('TooManyDevices', `no free slot for ${id}: remove a device`, { stalled: true });
    }
    addresses[id] = free;
  }
  return addresses;
}

/** As many as at its first start, for what stands behind a port is found by its number. */
function portsOf(request: MachineRequest, pinned: Addresses): number {
  const kept = rootPortIds(pinned).length;
  if (kept > 0) return kept;
  const devices = request.disks.length + request.networks.length;
  const isSmall = request.memoryBytes <= smallBytes && devices <= rootPorts.small - freePorts;
  return isSmall ? rootPorts.small : rootPorts.other;
}

type Wish = { id: string; slots: readonly string[] };

function diskWish(slots: readonly string[]): (disk: DiskRequest) => Wish {
  return ({ name, bus }) => ({
    id: diskId(name),
    slots: bus === 'scsi' ? range(0, 255, (target) => `${scsiController}:${target}`) : slots,
  });
}

/** Old models have port registers, which the root ports do not pass on: they sit beside them. */
function nicWish(slots: readonly string[]): (nic: NicRequest) => Wish {
  const beside = slots.filter((slot) => slot.includes(':'));
  return ({ name, model }) => ({ id: nicId(name), slots: model === 'virtio' ? slots : beside });
}

/** Free places in the order they are given away; on q35 the ports, where devices can be plugged while the guest runs, come before. */
const legacySlots = range(7, 31, (slot) => `pci.0:${slot.toString(16)}`);
const besidePorts = [...range(6, 15, (slot) => slot), ...range(18, 30, (slot) => slot)].map(
  (slot) => `pcie.0:${slot.toString(16)}`,
);

function builtInAddresses(
  machine: MachineRequest['machine'],
  ports: readonly string[],
): Record<string, string> {
  const [bus, first] = machine === 'q35' ? ['pcie.0', 1] : ['pci.0', 2];
  const devices = [vgaId, scsiController, serialController, balloonId, rngId];
  const controllers = devices.map((id, index) => [id, `${bus}:${first + index}`] as const);
  if (machine === 'pc') return Object.fromEntries(controllers);
  const place = (index: number) => `pcie.0:${(16 + (index >> 3)).toString(16)}.${index & 7}`;
  return Object.fromEntries([...controllers, ...ports.map((id, index) => [id, place(index)] as const)]);
}

function range<T>(first: number, last: number, make: (value: number) => T): T[] {
  return Array.from({ length: last - first + 1 }, (_, index) => make(first + index));
}
