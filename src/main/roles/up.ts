/**
 * `vireo up`: one machine, everything. Supervises the API server and the agent as children, so that one role's load or crash delays no other,
 * and is the manager itself.
 */
import process from 'node:process';
import type { World } from '../../base/world.ts';
import type { Client } from '../../client/contract.ts';
import { connect } from '../connect.ts';
import { installDefinitions } from '../crds.ts';
import type { Layout } from '../layout.ts';
import { aborted, type Lifetime } from '../lifetime.ts';
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
};

/** Runs until the lifetime ends, also while the API server is still starting; guests run on. Rejects when a role cannot start. */
export async function runUp(options: UpOptions, lifetime: Lifetime, world: World): Promise<void> {
  const { layout, script } = options;
  // Roots of unprivileged containers lie below it: their users must be able to pass.
  await world.files.makeDirectory(layout.dataDirectory, { mode: 0o711 });
  const apiserver = supervise({ name: 'apiserver', args: apiserverArgs(options) }, script, world);
  let agent: SupervisedChild | undefined;
  let client: Client | undefined;
  try {
    const address = await Promise.race([apiserver.ready, aborted(lifetime.signal)]);
    if (address === undefined) return;
    client = await connect(layout.kubeconfig, 'vireo-manager', world);
    await installDefinitions(client, world.clock, lifetime.signal);
    agent = supervise({ name: 'agent', args: agentArgs(options) }, script, world);
    const manager = runManager({ client, identity: `up-${process.pid}` }, lifetime, world);
    await Promise.race([Promise.all([manager.ready, agent.ready]), aborted(lifetime.signal), manager.ended]);
    if (!lifetime.signal.aborted) process.stdout.write(`${address} kubeconfig=${layout.kubeconfig}\n`);
    await manager.ended;
  } finally {
    lifetime.end('stopping');
    await agent?.stop(15_000);
    await client?.close();
    await apiserver.stop(10_000);
  }
}

function apiserverArgs({ layout, listen }: UpOptions): string[] {
  return ['apiserver', '--data-dir', layout.apiserver, '--listen', listen, '--kubeconfig', layout.kubeconfig];
}

function agentArgs({ layout, simulate, simulation, config, host }: UpOptions): string[] {
  return [
    'agent',
    ...['--kubeconfig', layout.kubeconfig, '--state-dir', layout.agent],
    ...(simulate > 0 ? ['--simulate', String(simulate)] : []),
    ...(simulation === undefined ? [] : ['--simulation', simulation]),
    ...(config === undefined ? [] : ['--config', config]),
    ...(host === undefined ? [] : ['--host', host]),
  ];
}
