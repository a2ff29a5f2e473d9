/** What cuts the machines of the manager's lab off: the power of each, and the switch all of them are plugged into. */
import type { Clock } from '../../../../src/base/clock.ts';
import type { FenceDriver } from '../../../../src/drivers/fence/contract.ts';
import {
  createSimulatedFence,
  type SimulatedFenceFaults,
} from '../../../../src/drivers/fence/simulated/driver.ts';
import type { Machines } from './haMachines.ts';
import { withSwitch } from './switchPorts.ts';

/** From power to a keeper that renews. */
const BOOT_MS = 20_000;

type Fences = {
  machines: Machines;
  /** By plug. */
  faults: ReadonlyMap<string, SimulatedFenceFaults>;
  /** Hosts whose switch port is down. */
  down: Set<string>;
  /** What was switched, in order. */
  switched: string[];
};

export function createFences(clock: Clock, { machines: all, faults, down, switched }: Fences): FenceDriver {
  const { machines, machineOf, powerOff, powerOn } = all;
  const power = {
    plugs: () => [...machines.keys(), ...[...machines.keys()].map((name) => `${name}-second`)],
    isOn: (plug: string) => machineOf(plug).isOn,
    switch: (plug: string, state: 'On' | 'Off') => {
      switched.push(`${plug} ${state}`);
      if (state === 'Off') powerOff(machineOf(plug).name);
      else clock.after(BOOT_MS, () => powerOn(machineOf(plug).name, clock.monotonic()));
    },
  };
  const drivers = new Map<string, ReturnType<typeof createSimulatedFence>>();
  const driverOf = (plug = '') => {
    const known =
      drivers.get(plug) ??
      createSimulatedFence({ world: { clock }, power, faults: () => faults.get(plug) ?? {} });
    drivers.set(plug, known);
    return known;
  };
  const any = driverOf();
  const each: FenceDriver = {
    ...any,
    off: (target, how) => driverOf(target.plug).off(target, how),
    on: (target, how) => driverOf(target.plug).on(target, how),
    status: (target, how) => driverOf(target.plug).status(target, how),
  };
  return withSwitch(each, {
    isUp: (name) => !down.has(name),
    set: (name, isUp) => {
      switched.push(`port of ${name} ${isUp ? 'up' : 'down'}`);
      if (isUp) down.delete(name);
      else down.add(name);
    },
  });
}
