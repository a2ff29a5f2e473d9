/** The command line of joining: `vireo token create`, `vireo join`, and the systemd unit of agents. */
import { resolve } from 'node:path';
import process from 'node:process';
import type { Command } from 'commander';
import type { World } from '../base/world.ts';
import { defaultDataDirectory, layoutOf } from './layout.ts';
import { processLifetime } from './lifetime.ts';

/** Adds them. `script` is this executable. */
export function addJoining(program: Command, world: World, script: string): void {
  addUnit(program, world, script);
  program
    .command('token')
    .description('tokens by which machines join')
    .command('create')
    .description('print the command by which one machine joins within 15 minutes')
    .option('--host <name>', 'the only name the machine may have (default: any)')
    .option('--server <url>', 'where the machine reaches the API server (default: as in the kubeconfig)')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async ({ dataDir, kubeconfig, ...rest }) => {
      const { runTokenCreate } = await import('./roles/token.ts');
      const options = { ...rest, kubeconfig: kubeconfig ?? layoutOf(dataDir).kubeconfig };
      process.exitCode = await runTokenCreate(options, world);
    });
  addJoin(
    program
      .command('join')
      .description('make this machine a host of a cluster and run its agent; later without arguments'),
    { witness: false },
    world,
  );
  addJoin(
    program
      .command('witness')
      .description(
        'have this machine vote in high availability without running guests; joins as `join` does',
      ),
    { witness: true },
    world,
  );
}

/** Options and act of `join` and `witness`. */
function addJoin(command: Command, { witness }: { witness: boolean }, world: World): void {
  command
    .argument('[server]', 'https://HOST:PORT of the API server')
    .option('--token <token>', 'of `vireo token create`')
    .option('--token-file <file>', 'a file that holds it')
    .option('--ca-hash <hash>', "sha256:HEX of the public key of the server's authority")
    .option('--ca-file <file>', "the authority's certificate, where the server does not show it")
    .option('--name <name>', 'name of this host (default: its host name)')
    .option('--state-dir <dir>', 'records, pools and images of this host', '/var/lib/vireo/agent')
    .option('--run-dir <dir>', 'sockets (default: derived from --state-dir)')
    .option('--cgroup <path>', 'control group of the guests (default: derived from --state-dir)')
    .option('--config <file>', "the host's allow-list (default: /etc/vireo/agent.yaml)")
    .option(
      '--no-agent',
      `only join: a service manager runs \`vireo ${command.name()} --state-dir DIR\` from then on`,
    )
    .action(async (server, { stateDir, runDir, cgroup, config, name, ...rest }) => {
      const { runJoin } = await import('./roles/join.ts');
      const options = {
        ...rest,
        witness,
        stateDirectory: resolve(stateDir),
        ...(server === undefined ? {} : { server }),
        ...(name === undefined ? {} : { host: name }),
        ...(runDir === undefined ? {} : { runDirectory: resolve(runDir) }),
        ...(cgroup === undefined ? {} : { cgroupRoot: cgroup }),
        ...(config === undefined ? {} : { configFile: config }),
      };
      await runJoin(options, processLifetime({ supervised: false }), world);
    });
}

function addUnit(program: Command, world: World, script: string): void {
  const unit = program.command('unit').description("the systemd unit of this host's agent");
  unit
    .command('install')
    .description('put this version and its unit in place, and start it anew when something has changed')
    .option('--root <dir>', "where the host's root directory is seen", '/')
    .option('--enter-host', 'run systemctl in the namespaces of process 1, from a container', false)
    .option('--state-dir <dir>', 'what `vireo join` was given', '/var/lib/vireo/agent')
    .action(async ({ root, enterHost, stateDir }) => {
      const { runUnitInstall } = await import('./roles/unit.ts');
      const options = { root: resolve(root), enterHost, script, stateDirectory: resolve(stateDir) };
      await runUnitInstall(options, world);
    });
  unit
    .command('wait', { hidden: true })
    .description('do nothing until it is told to end')
    .action(async () => {
      const { runUnitWait } = await import('./roles/unit.ts');
      await runUnitWait(processLifetime({ supervised: false }));
    });
}
