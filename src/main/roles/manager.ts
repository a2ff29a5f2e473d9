/** `vireo manager`: leader-elected cluster controllers against any Kubernetes API server. */
import { hostname } from 'node:os';
import process from 'node:process';
import { SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import type { World } from '../../base/world.ts';
import type { Client } from '../../client/contract.ts';
import { addClusterControllers } from '../../cluster/cluster.ts';
import {
  type ClusterIdentity,
  ensureSystemNamespace,
  raiseIncarnation,
} from '../../cluster/incarnation/incarnation.ts';
import { createFenceAgents } from '../../drivers/fence/agents/driver.ts';
import { createManager } from '../../runtime/engine.ts';
import { LeadershipLostError, runAsLeader } from '../../runtime/leader.ts';
import { connect } from '../connect.ts';
import { fenceProbe } from '../fencing.ts';
import type { Lifetime } from '../lifetime.ts';

export type ManagerOptions = {
  client: Client;
  identity: string;
  /** Guests that may move at the same time; 5 when absent. */
  parallelMigrations?: number;
  /** The host whose machine runs the embedded API server. */
  embeddedOn?: string;
};

/** `ready` resolves when this process leads and its controllers run; `ended` when all has come to its end. */
export function runManager(
  { client, identity, parallelMigrations, embeddedOn }: ManagerOptions,
  lifetime: Lifetime,
  world: World,
): { ready: Promise<void>; ended: Promise<void> } {
  let markReady = () => {};
  const ready = new Promise<void>((resolve) => {
    markReady = resolve;
  });

  async function lead(signal: AbortSignal): Promise<void> {
    let cluster: ClusterIdentity = await raiseIncarnation(client, world.random);
    world.log.info('leading', { incarnation: cluster.incarnation });
    const manager = createManager({ client, world, component: 'vireo-manager' });
    const raise = async (atLeast: number) => {
      cluster = await raiseIncarnation(client, world.random, atLeast);
      world.log.warn('a host has seen a later control plane: going on above it', {
        incarnation: cluster.incarnation,
      });
    };
    addClusterControllers({
      ...{ manager, clock: world.clock, cluster: () => cluster, raise },
      fence: fenceProbe(createFenceAgents({ world })),
      ...(parallelMigrations === undefined ? {} : { parallelMigrations }),
      ...(embeddedOn === undefined ? {} : { embeddedOn }),
    });
    const running = manager.run(signal);
    await Promise.race([manager.informers.synced(signal), running]);
    markReady();
    await running;
  }

  /** Leadership that was lost is sought again: another replica may have it meanwhile. */
  async function seek(): Promise<void> {
    await ensureSystemNamespace(client);
    const election = {
      client,
      world,
      namespace: SYSTEM_NAMESPACE,
      name: 'vireo-manager',
      identity,
      renewIntervalMs: 2_000,
    };
    while (!lifetime.signal.aborted) {
      try {
        await runAsLeader(election, lead, lifetime.signal);
      } catch (error) {
        if (!(error instanceof LeadershipLostError)) throw error;
        world.log.warn('leadership lost, seeking it again');
      }
    }
  }

  const ended = seek();
  return { ready, ended };
}

/** `vireo manager`: runs until the lifetime ends or leadership is lost. */
export async function runStandaloneManager(
  options: { kubeconfig?: string; parallelMigrations?: number },
  lifetime: Lifetime,
  world: World,
): Promise<void> {
  const client = await connect(options.kubeconfig, 'vireo-manager', world);
  const { kubeconfig: _found, ...limits } = options;
  const identity = `${hostname()}-${process.pid}`;
  const { ready, ended } = runManager({ client, identity, ...limits }, lifetime, world);
  await Promise.race([ready, ended]);
  if (!lifetime.signal.aborted) process.stdout.write('ready manager\n');
  await ended.finally(() => client.close());
}
