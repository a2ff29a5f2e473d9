/** Drivers of a host that exists only on paper: no KVM, no root, the same contracts. */
import { dirname, join } from 'node:path';
import type { AgentDrivers } from '../../agent/agent.ts';
import type { World } from '../../base/world.ts';
import { createSimulatedHypervisor } from '../../drivers/hypervisor/simulated/driver.ts';
import { simulatedContainers, simulatedMachines } from '../../drivers/hypervisor/simulated/kinds.ts';
import { createSimulatedImageBuilder } from '../../drivers/image/simulated.ts';
import { createSimulatedNetwork } from '../../drivers/network/simulated/network.ts';
import { createSimulatedPool } from '../../drivers/storage/simulated/pool.ts';
import type { Simulation } from './simulation.ts';

const POOL_BYTES = 4 * 2 ** 40;

export async function simulatedDrivers(
  stateDirectory: string,
  simulation: Simulation,
  world: World,
): Promise<AgentDrivers> {
  const state = (name: string) => join(stateDirectory, 'simulated', name);
  return {
    machines: createSimulatedHypervisor({
      world,
      kind: simulatedMachines,
      stateFile: state('machines.json'),
      // Where the hosts of one agent meet when a machine moves between them.
      meeting: join(dirname(stateDirectory), 'moves'),
      ...simulation,
    }),
    containers: createSimulatedHypervisor({
      world,
      kind: simulatedContainers,
      stateFile: state('containers.json'),
      ...simulation,
    }),
    network: createSimulatedNetwork({ world, stateFile: state('network.json') }),
    openPool: ({ name, path, sharedBy }) =>
      createSimulatedPool({
        world,
        config: {
          type: 'Simulated',
          ...{ name, path, totalBytes: POOL_BYTES },
          ...(sharedBy === undefined ? {} : { sharedBy }),
        },
      }),
    images: createSimulatedImageBuilder({ world }),
  };
}
