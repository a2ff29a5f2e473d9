/** The whole command line of a machine: a pure function of what is asked for, what is pinned and what the host has. */
import { planConsoles } from './consoles.ts';
import { planControllers } from './controllers.ts';
import { planCpu, planMemory } from './cpu.ts';
import { planDisks } from './disks.ts';
import { planFirmware } from './firmware.ts';
import type { PlanInput } from './input.ts';
import { planMachine } from './machine.ts';
import { planNics } from './nics.ts';

/** Arguments for QEMU, the program first. Throws ReasonedError for what this host or QEMU cannot do. */
export function planArguments(input: PlanInput): string[] {
  return [
    input.qemu.program,
    ...planMachine(input),
    ...planCpu(input),
    ...planMemory(input),
    ...planFirmware(input),
    ...planControllers(input),
    ...planDisks(input),
    ...planNics(input),
    ...planConsoles(input),
  ];
}
