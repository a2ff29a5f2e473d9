/** `vireo agent`: makes this host match what is placed on it; with `--simulate N`, N hosts that exist only on paper. */
import { realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { type Agent, createAgent } from '../../agent/agent.ts';
import { type AgentConfig, defaultAgentConfig, parseAgentConfig } from '../../agent/config.ts';
import type { KeeperLink } from '../../agent/guarding.ts';
import { createPeerIdentity } from '../../agent/peers/identity.ts';
import type { Peers } from '../../agent/peers/peers.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { World } from '../../base/world.ts';
import { createClient } from '../../client/client.ts';
import type { Kubeconfig } from '../../client/kubeconfig.ts';
import { createManager } from '../../runtime/engine.ts';
import { findKubeconfig } from '../connect.ts';
import { realDrivers } from '../drivers/real.ts';
import { simulatedDrivers } from '../drivers/simulated.ts';
import { parseSimulation, type Simulation } from '../drivers/simulation.ts';
import { witnessDrivers } from '../drivers/witness.ts';
import { hostEnd } from '../hostEnd.ts';
import { defaultHostName, firstAddress, realHostFacts, simulatedHostFacts } from '../hostfacts.ts';
import { keeperLink } from '../keeper/link.ts';
import type { KeeperPlace } from '../keeper/place.ts';
import { defaultRunDirectory, isRoot, keeperGroupOf, scopeOf } from '../layout.ts';
import { aborted, type Lifetime } from '../lifetime.ts';
import { type MonitoringAddress, roleMetrics, serveMonitoring } from '../monitoring.ts';
import { type PaperNetwork, paperPeers, tlsPeers } from '../peers.ts';
import { version } from '../version.ts';
import { growingSums } from '../world/growingSums.ts';
import { launchedProcesses } from '../world/launched.ts';

export type AgentOptions = {
  kubeconfig?: string;
  stateDirectory: string;
  runDirectory?: string;
  cgroupRoot?: string;
  configFile?: string;
  host?: string;
  simulate: number;
  /** It votes and runs no guests. */
  witness?: boolean;
  /** What goes wrong on simulated hosts. */
  simulationFile?: string;
  /** Where the metrics of the agent are. */
  metricsAddress?: MonitoringAddress;
};

/** Where the allow-list is looked for when --config does not name it. */
const DEFAULT_CONFIG = '/etc/vireo/agent.yaml';

export async function runAgent(options: AgentOptions, lifetime: Lifetime, given: World): Promise<void> {
  const launched = launchedProcesses(given, besides('launcher.js'));
  const world: World = { ...given, processes: launched.processes };
  const kubeconfig = await findKubeconfig(options.kubeconfig, world);
  const simulation = await readSimulation(options.simulationFile, world);
  const network: PaperNetwork = new Map();
  const metrics = roleMetrics('agent');
  let isReady = false;
  const monitoring =
    options.metricsAddress &&
    (await serveMonitoring(options.metricsAddress, { metrics, isReady: () => isReady }));
  const agents =
    options.simulate > 0
      ? Array.from({ length: options.simulate }, (_, index) =>
          simulatedAgent(options, index + 1, { simulation, network }, kubeconfig, world),
        )
      : [realAgent({ ...options, metrics }, kubeconfig, world)];
  const started = await Promise.all(agents);
  const end = new AbortController();
  // A host on paper goes down with nothing.
  const leave = options.simulate > 0 ? undefined : started[0]?.leave;
  void aborted(lifetime.signal)
    .then(() => leave && leaveWith(leave, world))
    .finally(() => end.abort(lifetime.signal.reason));
  const running = Promise.all(started.map((agent) => agent.run(end.signal)));
  await Promise.race([Promise.all(started.map((agent) => agent.registered)), running]);
  isReady = true;
  if (!lifetime.signal.aborted) process.stdout.write('ready agent\n');
  // Not earlier: it would take time from the agent's own start.
  if (options.simulate === 0) void launched.start();
  await running.finally(() => Promise.all([launched.close(), monitoring?.close()]));
}

/** When the host goes down its guests end in order first; an agent that is only stopped leaves them running. */
async function leaveWith(leave: Agent['leave'], { processes }: World): Promise<void> {
  const kind = await hostEnd(processes);
  if (kind !== undefined) await leave(kind);
}

/** Launcher and keeper lie beside this executable. */
function besides(script: string): string[] {
  return [process.execPath, scriptBesides(script)];
}

function scriptBesides(name: string): string {
  return join(dirname(realpathSync(process.argv[1] ?? '')), name);
}

async function realAgent(options: AgentOptions & { metrics: Metrics }, kubeconfig: Kubeconfig, world: World) {
  const scope = scopeOf(options.stateDirectory);
  const config = await readConfig(options.configFile, world);
  const places = {
    stateDirectory: options.stateDirectory,
    runDirectory: options.runDirectory ?? defaultRunDirectory(options.stateDirectory),
    cgroupRoot: options.cgroupRoot ?? `vireo/${scope}`,
    scope,
  };
  const isWitness = options.witness === true;
  const drivers = isWitness
    ? await witnessDrivers(options.stateDirectory, world)
    : await realDrivers(places, config, world, growingSums(scriptBesides('summer.js')));
  const host = options.host ?? defaultHostName();
  const { stateDirectory } = options;
  const { watchdog, resetWithoutWatchdog } = config;
  const keeper = realKeeper(
    options,
    { ...places, keeperGroup: keeperGroupOf(scope), host, watchdog, resetWithoutWatchdog },
    world,
  );
  const place = { host, stateDirectory, config, drivers, hostFacts: realHostFacts(world) };
  const role = {
    ...(keeper === undefined ? {} : { keeper }),
    ...(isWitness ? { witness: true } : {}),
  };
  return makeAgent({ ...place, ...role, metrics: options.metrics }, kubeconfig, world);
}

/** It kills by control groups, and reaches the API by a kubeconfig that outlives the agent; a host without either has none. */
function realKeeper(
  { kubeconfig }: AgentOptions,
  { host, stateDirectory, runDirectory, cgroupRoot, keeperGroup, ...resets }: Omit<KeeperPlace, 'kubeconfig'>,
  world: World,
): KeeperLink | undefined {
  if (kubeconfig === undefined || !isRoot()) return undefined;
  const places = { stateDirectory, runDirectory, cgroupRoot, keeperGroup };
  const at = { host, kubeconfig: resolve(kubeconfig), ...places, ...resets };
  return keeperLink(world, at, { command: besides('keeper.js'), version });
}

async function simulatedAgent(
  options: AgentOptions,
  index: number,
  { simulation, network }: { simulation: Simulation; network: PaperNetwork },
  kubeconfig: Kubeconfig,
  world: World,
) {
  const host = `${options.host ?? 'simulated'}-${index}`;
  const stateDirectory = join(options.stateDirectory, host);
  const drivers = await simulatedDrivers(stateDirectory, simulation, world);
  return makeAgent(
    { host, stateDirectory, config: defaultAgentConfig, drivers, hostFacts: simulatedHostFacts(host) },
    kubeconfig,
    world,
    paperPeers(network, host),
  );
}

type Place = Pick<
  Parameters<typeof createAgent>[0],
  'host' | 'stateDirectory' | 'config' | 'drivers' | 'hostFacts' | 'keeper' | 'witness'
> & {
  /** Of one host in a process: the same controllers of several would count as one. */
  metrics?: Metrics;
};

function makeAgent({ metrics, ...place }: Place, kubeconfig: Kubeconfig, world: World, paper?: Peers) {
  const { host, stateDirectory } = place;
  const log = world.log.child({ host });
  const hostWorld = { ...world, log };
  const client = createClient({ kubeconfig, fieldManager: 'vireo-agent', world: hostWorld });
  // Leases have a connection of their own: a large list must not delay a renewal.
  const leaseClient = createClient({ kubeconfig, fieldManager: 'vireo-agent', world: hostWorld });
  const manager = createManager({
    client,
    world: hostWorld,
    component: 'vireo-agent',
    host,
    ...(metrics === undefined ? {} : { metrics }),
  });
  return createAgent({ ...place, ...peersOf(), client, leaseClient, manager, world: hostWorld, version });

  function peersOf() {
    if (paper !== undefined) return { peers: paper };
    const identity = createPeerIdentity({ client, world: hostWorld, host, stateDirectory });
    return { identity, peers: tlsPeers(identity, firstAddress, place.config.peerPort) };
  }
}

async function readConfig(file: string | undefined, world: World): Promise<AgentConfig> {
  const text = await world.files.readText(file ?? DEFAULT_CONFIG);
  if (text === undefined && file !== undefined) throw new Error(`${file}: there is no such file`);
  return text === undefined ? defaultAgentConfig : parseAgentConfig(text, file ?? DEFAULT_CONFIG);
}

async function readSimulation(file: string | undefined, world: World): Promise<Simulation> {
  const text = file === undefined ? '' : await world.files.readText(file);
  if (text === undefined) throw new Error(`${file}: there is no such file`);
  return parseSimulation(text, file ?? '');
}
