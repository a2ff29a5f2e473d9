/** Simulated machines that move, under the suite of all drivers that move guests, and what can be told to go wrong with them. */
import { describe, expect, it } from 'vitest';
import {
  createSimulatedHypervisor,
  type SimulatedFaults,
} from '../../../../src/drivers/hypervisor/simulated/driver.ts';
import { simulatedMachines } from '../../../../src/drivers/hypervisor/simulated/kinds.ts';
import { transferSuite } from '../../../contract/hypervisor/transferSuite.ts';
import { createFakeClock } from '../../../world/fakeClock.ts';
import { machineRequest, memoryFiles, simulatedGuest } from './lab.ts';

function twoHosts(faults: SimulatedFaults = {}) {
  const clock = createFakeClock();
  const files = memoryFiles();
  return {
    clock,
    again: async (host: string) => {
      const driver = createSimulatedHypervisor({
        world: { clock, files },
        kind: simulatedMachines,
        stateFile: `/state/${host}.sim`,
        meeting: '/state/meeting',
        latency: { disksMs: 1_000, memoryMs: 500, switchMs: 50 },
        faults,
      });
      if (driver.transfer === undefined) throw new Error('it cannot move guests');
      return { ...driver, transfer: driver.transfer };
    },
  };
}

transferSuite('the simulated driver', async () => {
  const { clock, again } = twoHosts();
  return {
    guest: simulatedGuest('web'),
    request: machineRequest,
    moved: machineRequest,
    disks: ['root'],
    again,
    until: async (holds) => {
      for (let step = 0; !(await holds()); step += 1) {
        if (step > 100) throw new Error('it never comes to that');
        await clock.advance(25);
      }
    },
    end: async () => {},
  };
});

describe('a simulated transfer', () => {
  const guest = simulatedGuest('web');
  const begin = async (faults: SimulatedFaults) => {
    const { clock, again } = twoHosts(faults);
    const [source, target] = [await again('a'), await again('b')];
    const hardware = simulatedMachines.resolve(machineRequest, undefined);
    await source.start(guest, machineRequest, hardware, async () => {});
    const options = { id: 'move-1', address: '127.0.0.1', disks: ['root'] };
    const place = await target.transfer.receive(guest, machineRequest, hardware, options);
    await source.transfer.send(guest, place, {
      ...{ id: 'move-1', downtimeMs: 300, autoConverge: false, channels: 1 },
      ...{ compression: 'None', postCopy: false },
    });
    return { clock, source };
  };

  it('fails in the phase that it is told to', async () => {
    const { clock, source } = await begin({ web: { failTransferIn: 'Memory' } });
    await clock.advance(1_400);
    expect(await source.transfer.progress(guest)).toMatchObject({ phase: 'Memory' });
    await clock.advance(200);
    expect(await source.transfer.progress(guest)).toMatchObject({
      phase: 'Failed',
      reason: 'TransferFailed',
    });
    expect(await source.observe(guest)).toMatchObject({ state: 'Running' });
  });

  it('hangs in the phase that it is told to', async () => {
    const { clock, source } = await begin({ web: { hangTransferIn: 'SwitchingOver' } });
    await clock.advance(60_000);
    expect(await source.transfer.progress(guest)).toMatchObject({ phase: 'SwitchingOver' });
    await source.transfer.cancel(guest);
    expect(await source.observe(guest)).toMatchObject({ state: 'Running' });
  });

  it('tells whoever watches that the guest has left', async () => {
    const { clock, source } = await begin({});
    const heard: string[] = [];
    source.watch((id) => heard.push(id));
    await clock.advance(1_600);
    expect(heard).toContain(guest.id);
    expect(await source.observe(guest)).toMatchObject({ state: 'HandedOver' });
  });
});
