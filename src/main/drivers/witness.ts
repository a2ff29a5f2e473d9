/** Drivers of a witness: there is nothing they could run guests with, and nothing asks them to. */
import type { AgentDrivers } from '../../agent/agent.ts';
import type { World } from '../../base/world.ts';
import type { HypervisorFacts } from '../../drivers/hypervisor/contract.ts';
import { simulatedDrivers } from './simulated.ts';
import { parseSimulation } from './simulation.ts';

const NONE: HypervisorFacts = {
  available: false,
  reason: 'Witness',
  message: 'a witness runs no guests: run vireo join here instead of vireo witness if it should',
};

/** Those of a host on paper, which say that they are not there. */
export async function witnessDrivers(stateDirectory: string, world: World): Promise<AgentDrivers> {
  const paper = await simulatedDrivers(stateDirectory, parseSimulation('', ''), world);
  const facts = async () => NONE;
  return {
    ...paper,
    machines: { ...paper.machines, name: 'witness', facts },
    containers: { ...paper.containers, name: 'witness', facts },
    network: { ...paper.network, facts: async () => ({ bridges: [], problems: [] }) },
  };
}
