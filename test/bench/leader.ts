/** One leader with all controllers of a cluster over an API in memory. */
import type { World } from '../../src/base/world.ts';
import { createMemoryClient } from '../../src/client/memory.ts';
import { addClusterControllers } from '../../src/cluster/cluster.ts';
import { createSimulatedFence, NO_POWER } from '../../src/drivers/fence/simulated/driver.ts';
import { fenceProbe } from '../../src/main/fencing.ts';
import { createManager } from '../../src/runtime/engine.ts';

/** Leads until the signal ends it; resolves once it has ended. */
export function lead(
  api: ReturnType<typeof createMemoryClient>,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  // Each request gives way once, as one over a network does: else no timer runs until all is over.
  const intercept = () => new Promise<void>((turn) => setImmediate(turn));
  const client = createMemoryClient({ clock: world.clock, server: api, intercept });
  const manager = createManager({ client, world, component: 'vireo-manager', host: 'bench' });
  const cluster = () => ({ id: 'bench', incarnation: 1 });
  const fence = fenceProbe(createSimulatedFence({ world, power: NO_POWER }));
  addClusterControllers({ manager, clock: world.clock, cluster, raise: async () => {}, fence });
  return manager.run(signal);
}
