/** `vireo console KIND/NAME`: finds the guest's console through the API and joins it with this terminal. */
import process from 'node:process';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { consolePath, joinConsole, parseTarget } from '../../cli/console.ts';
import { connect } from '../connect.ts';

export type ConsoleOptions = { target: string; namespace: string; kubeconfig: string };

export async function runConsole(options: ConsoleOptions, world: World): Promise<void> {
  const target = parseTarget(options.target, options.namespace);
  const client = await connect(options.kubeconfig, 'vireo-console', world);
  const path = await consolePath(client, target).finally(() => client.close());
  process.stderr.write(`joined ${options.target}; Ctrl-] leaves\n`);
  const line = await world.sockets.connectUnix(path, { timeoutMs: 5_000 }).catch((error: Error) => {
    throw new ReasonedError(
      'ConsoleNotHere',
      `${path} cannot be reached: the guest may run on another host (${error.message})`,
    );
  });
  await joinConsole(line, { input: process.stdin, output: process.stdout });
  process.stderr.write('\n');
}
