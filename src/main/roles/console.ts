/** `vireo console KIND/NAME`: finds the guest's console through the API and joins it with this terminal. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { guestId } from '../../api/identity.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { findConsole, joinConsole, parseTarget } from '../../cli/console.ts';
import { consoleCommand } from '../../drivers/hypervisor/lxc/driver.ts';
import { connect } from '../connect.ts';
import type { Layout } from '../layout.ts';

export type ConsoleOptions = { target: string; namespace: string; kubeconfig: string; layout: Layout };

/** The exit code: 0 when the console was joined and left. Throws ReasonedError ConsoleNotHere. */
export async function runConsole(options: ConsoleOptions, world: World): Promise<number> {
  const target = parseTarget(options.target, options.namespace);
  const client = await connect(options.kubeconfig, 'vireo-console', world);
  const place = await findConsole(client, target).finally(() => client.close());
  if (place.type === 'Container') return joinContainer(options, guestId(place.uuid));
  const line = await world.sockets.connectUnix(place.path, { timeoutMs: 5_000 }).catch((error: Error) => {
    const message = `${place.path} cannot be reached: the guest may run on another host (${error.message})`;
    throw new ReasonedError('ConsoleNotHere', message);
  });
  process.stderr.write(`joined ${options.target}; Ctrl-] leaves\n`);
  await joinConsole(line, { input: process.stdin, output: process.stdout }, world.clock);
  process.stderr.write('\n');
  return 0;
}

/** LXC joins the terminals itself; it needs a real one. */
function joinContainer({ target, layout }: ConsoleOptions, id: string): Promise<number> {
  process.stderr.write(`joining ${target}; Ctrl-a q leaves\n`);
  const [program = '', ...args] = consoleCommand(join(layout.agent, 'lxc'), id);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    child.on('error', (error) =>
      reject(new ReasonedError('LxcMissing', `${program} cannot be run: ${error.message}`)),
    );
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
