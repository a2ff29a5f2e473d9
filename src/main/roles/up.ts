/**
 * `vireo up`: one machine, everything. Supervises the API server and the agent as children, so that one role's load or crash delays no other,
 * and is the manager itself.
 */
import process from 'node:process';
import type { World } from '../../base/world.ts';
import type { Client } from '../../client/contract.ts';
import { loadKubeconfig } from '../../client/kubeconfig.ts';
import { ensureSystemNamespace } from '../../cluster/incarnation/incarnation.ts';
import { establishHost } from '../../cluster/joining/identity.ts';
import { installPolicies, installRoles } from '../access.ts';
import { connect } from '../connect.ts';
import { installDefinitions } from '../crds.ts';
import { hostEnd } from '../hostEnd.ts';
import { defaultHostName } from '../hostfacts.ts';
import { hostKubeconfig, writeHostKubeconfig } from '../joined.ts';
import type { Layout } from '../layout.ts';
import { aborted, type Lifetime } from '../lifetime.ts';
import { type MonitoringAddress, roleMetrics, serveMonitoring } from '../monitoring.ts';
import { type SupervisedChild, supervise } from '../supervisor.ts';
import { runManager } from './manager.ts';

export type UpOptions = {
  layout: Layout;
  listen: string;
  simulate: number;
  config?: string;
  simulation?: string;
  host?: string;
  script: string;
  /** Where the metrics of the manager are. */
  metricsAddress?: MonitoringAddress;
};

/** Runs until the lifetime ends, also while the API server is still starting; guests run on. Rejects when a role cannot start. */
export async function runUp(options: UpOptions, lifetime: Lifetime, world: World): Promise<void> {
  const { layout, script } = options;
  // Roots of unprivileged containers lie below it: their users must be able to pass.
  await world.files.makeDirectory(layout.dataDirectory, { mode: 0o711 });
  const metrics = roleMetrics('up');
  let isReady = false;
  const monitoring =
    options.metricsAddress &&
    (await serveMonitoring(options.metricsAddress, { metrics, isReady: () => isReady }));
  const apiserver = supervise({ name: 'apiserver', args: apiserverArgs(options) }, script, world);
  let agent: SupervisedChild | undefined;
  let client: Client | undefined;
  try {
    const address = await Promise.race([apiserver.ready, aborted(lifetime.signal)]);
    if (address === undefined) return;
    client = await connect(layout.kubeconfig, 'vireo-manager', world);
    const isRestart = (await world.files.stat(hostKubeconfig(layout.agent))) !== undefined;
    const kubeconfig = await establish(options, { client, isRestart, signal: lifetime.signal }, world);
    agent = supervise({ name: 'agent', args: agentArgs(options, kubeconfig) }, script, world);
    const embeddedOn = options.simulate > 0 ? {} : { embeddedOn: options.host ?? defaultHostName() };
    const manager = runManager(
      { client, identity: `up-${process.pid}`, metrics, ...embeddedOn },
      lifetime,
      world,
    );
    const policies = isRestart ? undefined : installPolicies(client);
    const begun = Promise.all([policies, manager.ready, agent.ready]);
    await Promise.race([begun, aborted(lifetime.signal), manager.ended]);
    isReady = true;
    if (!lifetime.signal.aborted) {
      process.stdout.write(`${address} kubeconfig=${layout.kubeconfig}\n`);
      // Those of the last run hold meanwhile.
      if (isRestart) await installPolicies(client);
    }
    await manager.ended;
  } finally {
    lifetime.end('stopping');
    // A host that goes down shuts its guests down first.
    await agent?.stop((await hostEnd(world.processes)) === undefined ? 15_000 : HOST_END_MS);
    await client?.close();
    await apiserver.stop(10_000);
    await monitoring?.close();
  }
}

/** As long as the agent takes at most, see leaving.ts. */
const HOST_END_MS = 900_000;

/**
 * Kinds, roles and the account of this machine's host; resolves with the agent's kubeconfig. After a restart all of them are there already, and
 * are looked at side by side. Simulated hosts have no accounts: their agents are the administrator.
 */
async function establish(
  options: UpOptions,
  { client, isRestart, signal }: { client: Client; isRestart: boolean; signal: AbortSignal },
  world: World,
): Promise<string> {
  const installed = Promise.all([
    installDefinitions(client, world.clock, signal),
    ensureSystemNamespace(client).then(() => installRoles(client)),
  ]);
  if (options.simulate > 0) return installed.then(() => options.layout.kubeconfig);
  const identify = () => identifyHost(options, client, world);
  if (!isRestart) return installed.then(identify);
  // An API server that has lost what it had is a first start after all.
  const [known] = await Promise.all([identify().catch(() => installed.then(identify)), installed]);
  return known;
}

/** The agent of this machine is the account of its host, as on any machine that joins; resolves with its kubeconfig. */
async function identifyHost({ layout, host }: UpOptions, client: Client, world: World): Promise<string> {
  const name = host ?? defaultHostName();
  const { token } = await establishHost({ client, clock: world.clock }, name);
  const { server, authority = '' } = await loadKubeconfig({ path: layout.kubeconfig, files: world.files });
  await world.files.makeDirectory(layout.agent, { mode: 0o711 });
  return writeHostKubeconfig(world.files, layout.agent, { host: name, server, authority, token });
}

function apiserverArgs({ layout, listen }: UpOptions): string[] {
  return ['apiserver', '--data-dir', layout.apiserver, '--listen', listen, '--kubeconfig', layout.kubeconfig];
}

function agentArgs({ layout, simulate, simulation, config, host }: UpOptions, kubeconfig: string): string[] {
  return [
    'agent',
    ...['--kubeconfig', kubeconfig, '--state-dir', layout.agent],
    ...(simulate > 0 ? ['--simulate', String(simulate)] : []),
    ...(simulation === undefined ? [] : ['--simulation', simulation]),
    ...(config === undefined ? [] : ['--config', config]),
    ...(host === undefined ? [] : ['--host', host]),
  ];
}
