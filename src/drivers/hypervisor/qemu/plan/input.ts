/** What a plan is made from. */
import type {
  GuestHandle,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
  MachineSockets,
  QemuFacts,
} from '../../contract.ts';

export type PlanInput = {
  guest: GuestHandle;
  request: MachineRequest;
  hardware: MachineHardware;
  accelerator: NonNullable<HypervisorFacts['accelerator']>;
  qemu: QemuFacts;
  sockets: MachineSockets;
};

/** The guest's own UEFI variables: they move with its directory. */
export function firmwareVariables(guest: GuestHandle): string {
  return `${guest.directory}/efi-vars.fd`;
}

/** Where a device sits as options: `rp3` -> bus rp3, `pcie.0:2` -> slot 2, `pcie.0:10.1` -> slot 0x10 function 1, `scsi0:1` -> target 1. */
export function placement(input: PlanInput, id: string): Readonly<Record<string, string | number>> {
  const address = input.hardware.addresses[id];
  if (address === undefined) throw new Error(`device ${id} has no address: the hardware was not resolved`);
  const [bus = '', slot] = address.split(':');
  if (slot === undefined) return { bus, addr: '0x0' };
  if (bus.startsWith('scsi')) return { bus: `${bus}.0`, channel: 0, 'scsi-id': Number(slot), lun: 0 };
  const [number = '0', part] = slot.split('.');
  return { bus, addr: part === undefined ? `0x${number}` : `0x${number}.0x${part}` };
}
