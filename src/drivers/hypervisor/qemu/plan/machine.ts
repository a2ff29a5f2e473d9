/** The machine itself: who it is, its chipset, what runs it, and what happens when it stops. Pure. */

import type { PlanInput } from './input.ts';
import { optionList } from './options.ts';

/** Cache of translated code in MiB. The default grows to 1 GiB for each guest. */
const translationCacheMib = 64;

/** Chipset, accelerator, names, and the rules of stopping. */
export function planMachine(input: PlanInput): string[] {
  return [...planIdentity(input), ...planChipset(input), ...planConduct(input)];
}

function planIdentity({ guest }: PlanInput): string[] {
  const process = `vm-${guest.name}`.slice(0, 15);
  return [
    '-name',
    optionList('', { guest: guest.name, process, 'debug-threads': true }),
    '-uuid',
    guest.uuid,
  ];
}

function planChipset({ hardware, request, accelerator }: PlanInput): string[] {
  const uefi = request.firmware === 'UEFI';
  const chipset = optionList(hardware.machineType, {
    usb: false,
    // Neither is used by our guests, and both cost start-up time without hardware help.
    smm: false,
    vmport: false,
    'dump-guest-core': false,
    hpet: request.machine === 'pc' ? false : undefined,
    pflash0: uefi ? 'firmware-code' : undefined,
    pflash1: uefi ? 'firmware-vars' : undefined,
  });
  const engine = accelerator === 'kvm' ? 'kvm' : optionList('tcg', { 'tb-size': translationCacheMib });
  return ['-machine', chipset, '-accel', engine];
}

function planConduct({ qemu }: PlanInput): string[] {
  const filter = optionList('on', {
    obsolete: 'deny',
    elevateprivileges: 'deny',
    spawn: 'deny',
    resourcecontrol: 'deny',
  });
  return [
    '-nodefaults',
    '-no-user-config',
    ...(qemu.sandbox ? ['-sandbox', filter] : []),
    // The first instruction runs only after the gate: `cont` is sent by us.
    '-S',
    // A guest that powers itself off stays as a stopped process until we have seen it, also when no agent was there.
    '-action',
    'shutdown=pause',
    '-rtc',
    'base=utc',
    '-boot',
    'strict=on',
    '-msg',
    'timestamp=on',
  ];
}
