/** `vireo manager`: leader-elected cluster controllers against any Kubernetes API server. */
import { hostname } from 'node:os';
import process from 'node:process';
import { SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { World } from '../../base/world.ts';
import type { Client } from '../../client/contract.ts';
import { addClusterControllers } from '../../cluster/cluster.ts';
import {
  type ClusterIdentity,
  ensureSystemNamespace,
  raiseIncarnation,
} from '../../cluster/incarnation/incarnation.ts';
import { addClusterMetrics } from '../../cluster/metrics.ts';
import { createFenceAgents } from '../../drivers/fence/agents/driver.ts';
import { createManager } from '../../runtime/engine.ts';
import { LeadershipLostError, runAsLeader } from '../../runtime/leader.ts';
import { connect } from '../connect.ts';
import { fenceProbe } from '../fencing.ts';
import type { Lifetime } from '../lifetime.ts';
import { type MonitoringAddress, roleMetrics, serveMonitoring } from '../monitoring.ts';

const LEASE = 'vireo-manager';

export type ManagerOptions = {
  client: Client;
  identity: string;
  /** Guests that may move at the same time; 5 when absent. */
  parallelMigrations?: number;
  /** The host whose machine runs the embedded API server. */
  embeddedOn?: string;
  metrics?: Metrics;
};

/** `ready` resolves when this process leads and its controllers run; `ended` when all has come to its end. */
export function runManager(
  { client, identity, parallelMigrations, embeddedOn, metrics }: ManagerOptions,
  lifetime: Lifetime,
  world: World,
): { ready: Promise<void>; ended: Promise<void> } {
  let markReady = () => {};
  let isLeader = false;
  metrics?.gauge('leader_election_master_status', 'Whether this process leads: 1, or 0.', () => [
    { labels: { name: LEASE }, value: isLeader ? 1 : 0 },
  ]);
  const ready = new Promise<void>((resolve) => {
    markReady = resolve;
  });

  async function lead(signal: AbortSignal): Promise<void> {
    let cluster: ClusterIdentity = await raiseIncarnation(client, world.random);
    world.log.info('leading', { incarnation: cluster.incarnation });
    const manager = createManager({
      ...{ client, world, component: 'vireo-manager' },
      ...(metrics === undefined ? {} : { metrics }),
    });
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
    const endMetrics = metrics === undefined ? () => {} : addClusterMetrics(metrics, manager.informers);
    isLeader = true;
    try {
      const running = manager.run(signal);
      await Promise.race([manager.informers.synced(signal), running]);
      markReady();
      await running;
    } finally {
      isLeader = false;
      endMetrics();
    }
  }

  /** Leadership that was lost is sought again: another replica may have it meanwhile. */
  async function seek(): Promise<void> {
    await ensureSystemNamespace(client);
    const election = {
      client,
      world,
      namespace: SYSTEM_NAMESPACE,
      name: LEASE,
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
  options: { kubeconfig?: string; parallelMigrations?: number; metricsAddress?: MonitoringAddress },
  lifetime: Lifetime,
  world: World,
): Promise<void> {
  const { kubeconfig, metricsAddress, ...limits } = options;
  const metrics = roleMetrics('manager');
  // One that waits to lead is as ready as it gets.
  const monitoring =
    metricsAddress && (await serveMonitoring(metricsAddress, { metrics, isReady: () => true }));
  const client = await connect(kubeconfig, 'vireo-manager', world);
  const identity = `${hostname()}-${process.pid}`;
  const { ready, ended } = runManager({ client, identity, metrics, ...limits }, lifetime, world);
  await Promise.race([ready, ended]);
  if (!lifetime.signal.aborted) process.stdout.write('ready manager\n');
  await ended.finally(() => Promise.all([client.close(), monitoring?.close()]));
}
