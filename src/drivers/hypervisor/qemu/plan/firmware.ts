/** Firmware: SeaBIOS comes with QEMU; UEFI is OVMF with variables of the guest's own. Pure. */
import { ReasonedError } from '../../../../base/outcome.ts';
import { firmwareVariables, type PlanInput } from './input.ts';
import { blockNode } from './options.ts';

/** Nothing for BIOS; the two flash chips for UEFI. Throws ReasonedError UefiMissing. */
export function planFirmware(input: PlanInput): string[] {
  if (input.request.firmware === 'BIOS') return [];
  const { uefi } = input.qemu;
  if (uefi === undefined) {
    const message = 'UEFI firmware is not installed on this host: install the package ovmf (edk2-ovmf)';
    throw new ReasonedError('UefiMissing', message, { stalled: true });
  }
  return [
    ...flash('firmware-code', uefi.code, true),
    ...flash('firmware-vars', firmwareVariables(input.guest), false),
  ];
}

function flash(node: string, filename: string, readOnly: boolean): string[] {
  return blockNode({
    driver: 'raw',
    'node-name': node,
    'read-only': readOnly,
    file: { driver: 'file', filename },
  });
}
