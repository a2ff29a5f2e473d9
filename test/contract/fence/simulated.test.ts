/** The simulated device under the suite of all devices, and what it does when it is told to fail. */
import { expect, it } from 'vitest';
import {
  createSimulatedFence,
  SIMULATED_AGENT,
  type SimulatedFenceFaults,
  type SimulatedPower,
} from '../../../src/drivers/fence/simulated/driver.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { fenceSuite } from './suite.ts';

function outlets(...plugs: string[]): SimulatedPower {
  const off = new Set<string>();
  return {
    plugs: () => plugs,
    isOn: (plug) => !off.has(plug),
    switch: (plug, state) => void (state === 'Off' ? off.add(plug) : off.delete(plug)),
  };
}

function makeDevice(faults: SimulatedFenceFaults = {}) {
  const power = outlets('n1', 'n2');
  const driver = createSimulatedFence({ world: realWorld(), power, latencyMs: 10, faults: () => faults });
  const target = { agent: SIMULATED_AGENT, parameters: {}, secrets: {}, plug: 'n1' };
  return { driver, target, power };
}

fenceSuite('simulated', async () => {
  const { driver, target, power } = makeDevice();
  const silent = createSimulatedFence({
    world: realWorld(),
    power,
    latencyMs: 1,
    faults: () => ({ unreachable: true }),
  });
  const absent = { ...target, plug: 'absent' };
  return {
    driver: { ...driver, status: (asked, how) => (asked === absent ? silent : driver).status(asked, how) },
    target,
    stranger: { ...target, secrets: { password: 'wrong' } },
    absent,
    isOn: async () => power.isOn('n1'),
    remove: async () => {},
  };
});

const PATIENCE = { timeoutMs: 1_000, signal: new AbortController().signal };

it('lies when it is told to: it says Off, and the host runs on', async () => {
  const { driver, target, power } = makeDevice({ lies: true });
  await driver.off(target, PATIENCE);
  expect(await driver.status(target, PATIENCE)).toBe('Off');
  expect(power.isOn('n1')).toBe(true);
});

it('knows all its plugs', async () => {
  const { driver, target } = makeDevice();
  expect((await driver.list(target, PATIENCE)).map(({ plug }) => plug)).toEqual(['n1', 'n2']);
});
