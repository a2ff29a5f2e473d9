/** `npm run lab`: real hosts on this machine for a developer to play with, until Ctrl-C. Other terminals cut power and links meanwhile. */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import process from 'node:process';
import { Command, InvalidArgumentError } from 'commander';
import { checkout } from '../e2e/harness/commands.ts';
import { type Lab, openLab } from './lab.ts';

const NAMES = 'abcdefghijklmnop';

const lab = (shared?: string): Lab =>
  openLab({
    name: 'lab',
    directory: resolve(checkout, '.vireo/lab'),
    network: 211,
    images: resolve(checkout, '.vireo/images'),
    ...(shared === undefined ? {} : { shared: resolve(shared) }),
  });

const program = new Command('npm run lab --')
  .enablePositionalOptions()
  .description(
    'real hosts on this machine: namespaces with agents, guests and power of their own (needs root)',
  )
  .option('--hosts <number>', 'how many', count, 3)
  .option('--shared <dir>', 'a directory all hosts see, for a StoragePool with `shared: true`')
  .option('--down', 'remove what a lab that was killed has left')
  .action(async ({ hosts, shared, down }) => {
    if (down === true) return lab().down();
    if (shared !== undefined) await mkdir(resolve(shared), { recursive: true });
    await show(lab(shared), [...NAMES.slice(0, hosts)]);
  });

program
  .command('power-cut <host>')
  .description('everything that runs on the host is gone at once')
  .action((name: string) => lab().host(name).powerCut());
program
  .command('power-on <host>')
  .description('the host boots again and its agent starts')
  .action((name: string) => lab().start(name));
program
  .command('cut <from> <to>')
  .description('what one host sends the other is lost; the control plane is called control')
  .option('--one-way', 'the other direction works')
  .action((from: string, to: string, { oneWay }: { oneWay?: true }) =>
    lab().cut(from, to, oneWay === true ? 'OneWay' : 'Both'),
  );
program
  .command('mend')
  .description('undo every cut')
  .action(() => lab().mend());
program
  .command('on <host> <command...>')
  .description('run a command on the host, such as `on a ip link` or `on a bash`')
  .passThroughOptions()
  .action(async (name: string, command: string[]) => {
    const [nsenter = '', ...args] = await lab().host(name).inside(command);
    spawn(nsenter, args, { stdio: 'inherit' }).on('exit', (code) => {
      process.exitCode = code ?? 1;
    });
  });
await program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});

/** Brings it up, says how to use it, and takes it down when asked to end. */
async function show(shown: Lab, hosts: readonly string[]): Promise<void> {
  // Ctrl-C comes twice, from the terminal and from the program that started this one: the second must not end the cleaning.
  const asked = new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done());
  });
  if (await shown.isUp()) {
    throw new Error('a lab is up already, or was killed: npm run lab -- --down removes it');
  }
  // Waiting for a signal does not keep Node.js alive.
  const stay = setInterval(() => {}, 60_000);
  try {
    await Promise.race([shown.up(hosts), asked]);
    process.stdout.write(manual(shown, hosts));
    await asked;
  } finally {
    clearInterval(stay);
    await shown.down();
  }
}

function manual({ kubeconfig, directory }: Lab, hosts: readonly string[]): string {
  return `
Hosts ${hosts.join(', ')} are up. Guests on their bridge vmbr0 get addresses that can be reached from here.

  export KUBECONFIG=${kubeconfig}
  kubectl get vhost
  npm run lab -- power-cut b          # and power-on b
  npm run lab -- cut a b [--one-way]  # and mend; the control plane is called control
  npm run lab -- on a bash            # a shell on a host
  tail -f ${directory}/a.log

Ctrl-C removes everything.
`;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > NAMES.length) {
    throw new InvalidArgumentError(`write a number from 1 to ${NAMES.length}`);
  }
  return value;
}
