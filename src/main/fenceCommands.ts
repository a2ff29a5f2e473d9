/** `vireo fence test` and `vireo fence confirm` on the command line. */
import process from 'node:process';
import type { Command } from 'commander';
import type { World } from '../base/world.ts';
import { defaultDataDirectory, layoutOf } from './layout.ts';

/** Adds the commands to the program; `seconds` reads an argument. */
export function addFence(
  program: Command,
  { world, seconds }: { world: World; seconds(text: string): number },
): void {
  const fence = program.command('fence').description('fence devices of hosts, and words about lost hosts');
  fence
    .command('test')
    .description('ask all fence devices of a host how it is, switching nothing')
    .argument('<host>', 'name of the Host')
    .option('--timeout <seconds>', 'give up waiting after so long (default: 120)', seconds)
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async (host, { kubeconfig, dataDir, timeout }) => {
      const { runFenceTest } = await import('./roles/fence.ts');
      const access = { kubeconfig: kubeconfig ?? layoutOf(dataDir).kubeconfig };
      process.exitCode = await runFenceTest({ host, timeout, ...access }, world);
    });
  fence
    .command('confirm')
    .description('a person says that a lost host is off: its guests are started elsewhere')
    .argument('<host>', 'name of the Host')
    .option('--yes', 'you have looked: it is off')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async (host, { kubeconfig, dataDir, yes }) => {
      const { runFenceConfirm } = await import('./roles/fence.ts');
      const access = { kubeconfig: kubeconfig ?? layoutOf(dataDir).kubeconfig };
      process.exitCode = await runFenceConfirm({ host, yes, ...access }, world);
    });
}
