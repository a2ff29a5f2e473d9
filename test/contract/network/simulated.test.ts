/** The simulated network under the suite of all networks, and its own promise: addresses that do not depend on chance. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { createSimulatedNetwork } from '../../../src/drivers/network/simulated/network.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { networkSuite } from './suite.ts';

async function makeLab() {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-network-'));
  const world = { ...realWorld(), log: silentLog };
  return {
    open: () =>
      createSimulatedNetwork({
        world,
        stateFile: join(directory, 'state', 'network.json'),
        bridges: ['vmbr0', 'vmbr1'],
        allowedBridges: ['vmbr0', 'vmbr9'],
        latencyMs: 0,
      }),
    bridge: 'vmbr0',
    forbidden: 'vmbr1',
    missing: 'vmbr9',
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

networkSuite('simulated', makeLab);

it('gives a simulated guest the same address each time', async () => {
  const addressOfAnna = async () => {
    const lab = await makeLab();
    const network = lab.open();
    const nic = { name: 'net0', mac: '02:00:00:00:00:01', to: { type: 'Nat' as const } };
    await network.attach({ id: 'anna', hostname: 'anna', namespace: 'default' }, nic, 'Veth');
    const [found] = await network.addresses([nic.mac]);
    await lab.remove();
    return found?.addresses;
  };
  const first = await addressOfAnna();
  expect(first).toHaveLength(1);
  expect(await addressOfAnna()).toEqual(first);
});
