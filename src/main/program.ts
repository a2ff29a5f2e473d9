/** The command line: what `vireo` can be told, and which role or command answers. Everything heavy is loaded by the one that needs it. */
import { resolve } from 'node:path';
import process from 'node:process';
import { Command, InvalidArgumentError } from 'commander';
import type { World } from '../base/world.ts';
import { addBackup } from './backupCommands.ts';
import { addFence } from './fenceCommands.ts';
import { addJoining } from './joining.ts';
import { defaultDataDirectory, layoutOf } from './layout.ts';
import { processLifetime } from './lifetime.ts';
import { addSimulate } from './simulating.ts';
import { version } from './version.ts';

/** Makes the program. `script` is this executable, for starting child roles. */
export function createProgram(world: World, script: string): Command {
  const program = new Command('vireo')
    .description('Virtual machines and containers as Kubernetes resources.')
    .version(version)
    .showHelpAfterError()
    .enablePositionalOptions();
  addServers(program, world, script);
  addCommands(program, world, script);
  addUsers(program, world);
  addJoining(program, world, script);
  return program;
}

const METRICS_ADDRESS = 'serve /metrics, /healthz and /readyz on this address of this machine';

function addServers(program: Command, world: World, script: string): void {
  program
    .command('up')
    .description('everything on one machine: API server, manager and agent, in the foreground')
    .option('--data-dir <dir>', 'where all state lies', defaultDataDirectory())
    .option('--listen <host:port>', 'address of the API server', address, { host: '127.0.0.1', port: 6443 })
    .option('--kubeconfig <file>', 'kubeconfig to write for the administrator (default: DATA-DIR/kubeconfig)')
    .option('--simulate <hosts>', 'so many hosts that exist only on paper; needs no root', count, 0)
    .option('--simulation <file>', 'latency and faults of simulated hosts (YAML)')
    .option('--host <name>', 'name of this host (default: its host name)')
    .option('--config <file>', "the host's allow-list (default: /etc/vireo/agent.yaml)")
    .option('--metrics-address <host:port>', METRICS_ADDRESS, address)
    .option('--supervised', 'end when standard input ends')
    .action(async (options) => {
      const { runUp } = await import('./roles/up.ts');
      const layout = layoutOf(options.dataDir, options.kubeconfig);
      const { host, port } = options.listen;
      await runUp(
        { ...options, layout, listen: `${host}:${port}`, script },
        processLifetime({ supervised: options.supervised === true }),
        world,
      );
    });
  const apiserver = program
    .command('apiserver')
    .description('the embedded Kubernetes API server alone')
    .option('--data-dir <dir>', 'where its store, keys and certificates lie')
    .option('--listen <host:port>', 'address to listen on', address, { host: '127.0.0.1', port: 6443 })
    .option('--kubeconfig <file>', 'kubeconfig to write for the administrator')
    .option('--oidc-issuer-url <url>', 'believe ID tokens of this OpenID Connect issuer')
    .option('--oidc-client-id <id>', 'the audience such tokens must have')
    .option('--oidc-username-claim <claim>', 'the claim that is the user (default: sub)')
    .option('--oidc-username-prefix <text>', 'put before it (default: ISSUER#; - is nothing)')
    .option('--oidc-groups-claim <claim>', 'the claim that lists the groups (default: none)')
    .option('--oidc-groups-prefix <text>', 'put before each')
    .option('--oidc-ca-file <file>', 'authority of the issuer, where the system does not know it')
    .option('--supervised', 'end when standard input ends')
    .action(async ({ dataDir, listen, kubeconfig, supervised, ...flags }) => {
      // Not required by the parser: `backup` and `restore` below have their own options.
      if (dataDir === undefined) apiserver.error("error: required option '--data-dir <dir>' not specified");
      if (kubeconfig === undefined)
        apiserver.error("error: required option '--kubeconfig <file>' not specified");
      const { runApiserver } = await import('./roles/apiserver.ts');
      const options = {
        dataDirectory: resolve(dataDir),
        listen,
        kubeconfig: resolve(kubeconfig),
        ...oidcOf(flags),
      };
      await runApiserver(options, processLifetime({ supervised: supervised === true }), world);
    });
  addBackups(apiserver, world);
  program
    .command('manager')
    .description('the cluster controllers, leader-elected, against any Kubernetes API server')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--parallel-migrations <guests>', 'so many guests move at the same time (default: 5)', count)
    .option('--metrics-address <host:port>', METRICS_ADDRESS, address)
    .action(async (options) => {
      const { runStandaloneManager } = await import('./roles/manager.ts');
      await runStandaloneManager(options, processLifetime({ supervised: false }), world);
    });
  program
    .command('agent')
    .description('the agent of this host, against any Kubernetes API server')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--state-dir <dir>', 'records, pools and images of this host', '/var/lib/vireo/agent')
    .option('--run-dir <dir>', 'sockets (default: derived from --state-dir)')
    .option('--cgroup <path>', 'control group of the guests (default: derived from --state-dir)')
    .option('--host <name>', 'name of this host (default: its host name)')
    .option('--config <file>', "the host's allow-list (default: /etc/vireo/agent.yaml)")
    .option('--simulate <hosts>', 'so many hosts that exist only on paper', count, 0)
    .option('--simulation <file>', 'latency and faults of simulated hosts (YAML)')
    .option('--metrics-address <host:port>', METRICS_ADDRESS, address)
    .option('--supervised', 'end when standard input ends')
    .action(async ({ stateDir, runDir, cgroup, config, simulation, supervised, ...rest }) => {
      const { runAgent } = await import('./roles/agent.ts');
      const options = {
        ...rest,
        stateDirectory: resolve(stateDir),
        ...(runDir === undefined ? {} : { runDirectory: resolve(runDir) }),
        ...(cgroup === undefined ? {} : { cgroupRoot: cgroup }),
        ...(config === undefined ? {} : { configFile: config }),
        ...(simulation === undefined ? {} : { simulationFile: simulation }),
      };
      await runAgent(options, processLifetime({ supervised: supervised === true }), world);
    });
}

function addBackups(apiserver: Command, world: World): void {
  apiserver
    .command('backup')
    .description('write the whole state of an API server to a file, while it runs')
    .argument('<file>', 'where to; it holds keys, so keep it as carefully as these')
    .requiredOption('--data-dir <dir>', 'what the API server was given')
    .option('--without-keys', 'leave out pki/, so that Secrets in the file stay sealed')
    .action(async (file, { dataDir, withoutKeys }) => {
      const { backupApiserver } = await import('./roles/backup.ts');
      const options = { file: resolve(file), dataDirectory: resolve(dataDir) };
      const { objects, takenAt } = await backupApiserver(options, world, {
        keys: withoutKeys !== true,
      });
      process.stdout.write(`${options.file}: ${objects} objects as of ${takenAt}\n`);
    });
  apiserver
    .command('restore')
    .description('put a backup into an empty data directory')
    .argument('<file>', 'the backup')
    .requiredOption('--data-dir <dir>', 'a directory that is empty or missing')
    .action(async (file, { dataDir }) => {
      const { restoreApiserver } = await import('./roles/backup.ts');
      const options = { file: resolve(file), dataDirectory: resolve(dataDir) };
      const { objects, takenAt } = await restoreApiserver(options, world);
      process.stdout.write(`${options.dataDirectory}: ${objects} objects as of ${takenAt}\n`);
    });
}

function addCommands(program: Command, world: World, script: string): void {
  program
    .command('down')
    .description('remove the guests, networks and state of a data directory')
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .option('--yes', 'do not ask')
    .action(async ({ dataDir, yes }) => {
      const { runDown } = await import('./roles/down.ts');
      process.exitCode = await runDown({ layout: layoutOf(dataDir), yes: yes === true }, world);
    });
  program
    .command('console')
    .description('join the console of a guest on this host')
    .argument('<kind/name>', 'vm/NAME or ct/NAME')
    .option('-n, --namespace <name>', 'namespace of the guest', 'default')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async (target, { namespace, kubeconfig, dataDir }) => {
      const { runConsole } = await import('./roles/console.ts');
      const layout = layoutOf(dataDir);
      const options = { target, namespace, kubeconfig: kubeconfig ?? layout.kubeconfig, layout };
      process.exitCode = await runConsole(options, world);
    });
  program
    .command('explain')
    .description('which host takes a guest, and why others do not')
    .argument('<kind/name>', 'vm/NAME or ct/NAME')
    .option('-n, --namespace <name>', 'namespace of the guest', 'default')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async (target, { namespace, kubeconfig, dataDir }) => {
      const { runExplain } = await import('./roles/explain.ts');
      const options = { target, namespace, kubeconfig: kubeconfig ?? layoutOf(dataDir).kubeconfig };
      process.exitCode = await runExplain(options, world);
    });
  program
    .command('migrate')
    .description('move a guest to another host, and follow it')
    .argument('<kind/name>', 'vm/NAME or ct/NAME')
    .option('--to <host>', 'the host it moves to; chosen when absent')
    .option('--offline', 'stop a machine that cannot move while it runs')
    .option('-n, --namespace <name>', 'namespace of the guest', 'default')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async (target, { to, offline, namespace, kubeconfig, dataDir }) => {
      const { runMigrate } = await import('./roles/migrate.ts');
      const command = { target, namespace, kubeconfig: kubeconfig ?? layoutOf(dataDir).kubeconfig };
      const wish = { offline: offline === true, ...(to === undefined ? {} : { to }) };
      process.exitCode = await runMigrate({ ...command, ...wish }, world);
    });
  program
    .command('drain')
    .description('move the guests of a host away before work on it, or bring them back')
    .argument('<host>', 'name of the Host')
    .option('--undo', 'the work is over: guests come back')
    .option('--dry-run', 'only show what would become of each guest')
    .option('--reason <text>', 'why, for people')
    .option('--policy <policy>', 'Migrate, Stop or Leave (default: Migrate)')
    .option(
      '--fallback <fallback>',
      'what becomes of guests that have not moved: Leave or Stop (default: Leave)',
    )
    .option('--deadline <seconds>', 'when that happens (default: 3600)', seconds)
    .option('--parallel <guests>', 'guests that leave at the same time (default: 2)', count)
    .option('--timeout <seconds>', 'give up waiting, not draining, after so long (default: never)', seconds)
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async (host, { kubeconfig, dataDir, ...options }) => {
      const { runDrain } = await import('./roles/drain.ts');
      const access = { kubeconfig: kubeconfig ?? layoutOf(dataDir).kubeconfig };
      process.exitCode = await runDrain({ ...options, ...access, host }, world);
    });
  program
    .command('validate')
    .description('check manifests as the API server would, with file and line, without one')
    .requiredOption('-f, --filename <path>', 'file or directory')
    .action(async ({ filename }) => {
      const { runValidate } = await import('./roles/validate.ts');
      process.exitCode = await runValidate(filename, world);
    });
  addFence(program, { world, seconds });
  addBackup(program, world);
  addSimulate(program, world);
  program
    .command('quickstart', { hidden: true })
    .description('what `npm start` runs: up, samples applied, shown until they are Ready')
    .requiredOption('--samples <dir>', 'manifests to apply')
    .requiredOption('--data-dir <dir>', 'where all state lies')
    .option('--listen <host:port>', 'address of the API server', address, { host: '127.0.0.1', port: 6443 })
    .option('--simulate <hosts>', 'so many hosts that exist only on paper', count, 0)
    .option('--once', 'remove the guests again and exit')
    .action(async (options) => {
      const { runQuickstart } = await import('./roles/quickstart.ts');
      process.exitCode = await runQuickstart(
        { ...options, script },
        processLifetime({ supervised: false }),
        world,
      );
    });
}

function addUsers(program: Command, world: World): void {
  program
    .command('user')
    .description('people who may use the API')
    .command('create')
    .description('sign a client certificate and write it into a kubeconfig')
    .argument('<name>', 'what roles and logs call the user')
    .option('--group <name>', 'a group of the user; may be given again', gather, [])
    .option('--days <number>', 'how long the certificate is good', days, 365)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .option('--server <url>', "where the API server is (default: as in the administrator's kubeconfig)")
    .option('-o, --output <file>', 'kubeconfig to write, - for standard output (default: NAME.kubeconfig)')
    .action(async (name, options) => {
      const { runUserCreate } = await import('./roles/user.ts');
      const { group: groups, days: good, dataDir, server, output } = options;
      const layout = layoutOf(dataDir);
      process.exitCode = await runUserCreate({ name, groups, days: good, layout, server, output }, world);
    });
}

/** The options of --oidc-*; an issuer without an audience would let the tokens of all its clients in. */
function oidcOf(flags: Record<string, string | undefined>) {
  const { oidcIssuerUrl: issuer, oidcClientId: clientId } = flags;
  if (issuer === undefined) return {};
  if (clientId === undefined) throw new InvalidArgumentError('--oidc-issuer-url needs --oidc-client-id');
  const optional = <Name extends string>(name: Name, value: string | undefined) =>
    value === undefined ? {} : ({ [name]: value } as { [key in Name]: string });
  return {
    oidc: {
      issuer,
      clientId,
      ...optional('usernameClaim', flags.oidcUsernameClaim),
      ...optional('usernamePrefix', flags.oidcUsernamePrefix),
      ...optional('groupsClaim', flags.oidcGroupsClaim),
      ...optional('groupsPrefix', flags.oidcGroupsPrefix),
      ...optional('caFile', flags.oidcCaFile),
    },
  };
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 604_800)
    throw new InvalidArgumentError('write seconds, from 1 to 604800');
  return value;
}

function gather(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function days(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 3650)
    throw new InvalidArgumentError('write a number from 1 to 3650');
  return value;
}

function address(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535)
    throw new InvalidArgumentError('write HOST:PORT, such as 127.0.0.1:6443');
  return { host: match[1] ?? (match[2] === '' || match[2] === undefined ? '0.0.0.0' : match[2]), port };
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 100)
    throw new InvalidArgumentError('write a number from 1 to 100');
  return value;
}
