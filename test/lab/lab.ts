/**
 * Real hosts on one machine: each with kernel namespaces, agent, guests and power of its own, a control plane beside them, all plugged into one
 * switch. Everything is found again by name, so that a later process can go on with a lab or take it down.
 */
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout, must, type Result, run, vireo } from '../e2e/harness/commands.ts';
import { connected } from './cable.ts';
import { ejectDisks, fillDisk, freeDisk, insertDisk } from './disk.ts';
import { createMachine, type Machine } from './machine.ts';
import { createReader } from './reader.ts';
import { createService, type Service } from './service.ts';
import { createSwitch, type Direction } from './switch.ts';
import { agentUnit } from './systemd.ts';

export type LabOptions = {
  /** At most eight characters; two labs on one machine differ in it. */
  name: string;
  /** Holds all state; removed by `down`. */
  directory: string;
  /** Third byte of 10.x.y.0/24; two labs on one machine differ in it. */
  network: number;
  /** Pools may lie here: all hosts see the same files. */
  shared?: string;
  /** Images may be read from here. */
  images?: string;
  /** Size of the disk of each host; without it a host has what this machine has. */
  diskBytes?: number;
  /** The first process of each host is systemd, which runs the agent; without it nobody starts an agent again that has ended. */
  systemd?: boolean;
};

export type Host = Machine & {
  agent: Service;
  /** Nothing more can be written to its disk, neither volumes nor what the agent remembers. Only with `diskBytes`. */
  fillDisk(): Promise<void>;
  /** The disk has room again. */
  freeDisk(): Promise<void>;
};

export type Lab = {
  readonly directory: string;
  readonly kubeconfig: string;
  /** Whether something of it is there, perhaps left by a process that was killed. */
  isUp(): Promise<boolean>;
  /** Names of hosts that have been made, in order. */
  hostNames(): Promise<string[]>;
  host(name: string): Host;
  readonly control: Machine;
  readonly apiserver: Service;
  readonly manager: Service;
  /** Control plane and hosts, with everything running on them. */
  up(hosts: readonly string[]): Promise<void>;
  /** Power and agent of a host. */
  start(name: string): Promise<void>;
  /** The machine of the control plane votes too, under this name. */
  addWitness(name: string): Promise<void>;
  /** What one sends the other no longer arrives; `control` is the control plane's name. */
  cut(from: string, to: string, direction?: Direction): Promise<void>;
  mend(): Promise<void>;
  kubectl(...args: string[]): Promise<string>;
  tryKubectl(...args: string[]): Promise<Result>;
  apply(yaml: string): Promise<string>;
  /** The object KIND NAME of namespace default, or the list KIND, kinds as kubectl calls them; cheap. */
  get<T>(kind: string, name?: string): Promise<T>;
  /** As `get`; undefined when it does not exist. */
  find<T>(kind: string, name: string): Promise<T | undefined>;
  /** Leases of the switch's DHCP server: address by MAC address. */
  addresses(): Promise<ReadonlyMap<string, string>>;
  /** Everything away, whatever state it is in. */
  down(): Promise<void>;
};

const CONTROL = 'control';

export function openLab(options: LabOptions): Lab {
  const { name, directory, network, systemd = false } = options;
  const kubeconfig = join(directory, 'kubeconfig');
  const net = `10.${network}.0`;
  const wires = createSwitch(`${name}-switch`);
  const env = { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(directory, 'kubecache'), HOME: directory };
  const reader = createReader(kubeconfig);
  const disk = (machine: string) => join(directory, 'machines', machine);
  const stateDirectory = (machine: string) => join(disk(machine), 'agent');
  const leases = join(directory, 'leases');

  const machine = (machineName: string, number: number, ofSystemd = false) =>
    createMachine({
      systemd: ofSystemd,
      name: machineName,
      namespace: `${name}-${machineName}`,
      disk: disk(machineName),
      address: `${net}.${number}/24`,
      switch: wires,
    });
  const service = (on: Machine, logName: string, command: readonly string[], readyLine?: string) =>
    createService({
      machine: on,
      command,
      logFile: join(directory, `${logName}.log`),
      ...(readyLine === undefined ? {} : { readyLine }),
    });
  const node = (...args: string[]) => [process.execPath, vireo, ...args];

  const control = machine(CONTROL, 1);
  const apiserver = service(
    control,
    'apiserver',
    node(
      ...['apiserver', '--data-dir', join(control.disk, 'apiserver'), '--listen', `${net}.1:6443`],
      ...['--kubeconfig', kubeconfig],
    ),
    'ready',
  );
  const manager = service(control, 'manager', node('manager', '--kubeconfig', kubeconfig), 'ready');
  /** What a router does elsewhere: guests on a bridge ask for an address. */
  const dhcp = service(control, 'dhcp', [
    ...[
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--user=root',
      '--port=0',
      '--log-facility=-',
    ],
    ...['--interface=vmbr0', '--bind-interfaces', '--dhcp-authoritative', `--dhcp-leasefile=${leases}`],
    `--dhcp-range=${net}.100,${net}.199,12h`,
  ]);

  function host(hostName: string): Host {
    const on = machine(hostName, 11 + hostName.charCodeAt(0) - 'a'.charCodeAt(0), systemd);
    const state = stateDirectory(hostName);
    return {
      ...on,
      agent: systemd
        ? agentUnit(on, state, join(directory, `${hostName}.log`))
        : service(on, hostName, node('join', '--state-dir', state), 'ready'),
      fillDisk: () => fillDisk(on.disk),
      freeDisk: () => freeDisk(on.disk),
    };
  }

  const hostNames = async () => {
    const machines = await readdir(join(directory, 'machines'), { withFileTypes: true }).catch(() => []);
    const names = machines.filter((found) => found.isDirectory()).map((found) => found.name);
    return names.filter((found) => found !== CONTROL).sort();
  };

  /** Also of hosts whose disk is gone: `vireo down` on a host takes its data directory away. */
  const poweredNames = async () => {
    const namespaces = await readdir('/run/netns').catch(() => []);
    const found = namespaces.flatMap((one) =>
      one.startsWith(`${name}-`) ? [one.slice(name.length + 1)] : [],
    );
    const others = [CONTROL, 'switch'];
    return [...new Set([...(await hostNames()), ...found])].filter((one) => !others.includes(one));
  };

  async function start(hostName: string): Promise<void> {
    const started = host(hostName);
    await started.powerOn();
    if ((await stat(join(stateDirectory(hostName), 'joined.json')).catch(() => undefined)) === undefined)
      await joinCluster(started);
    await started.agent.start();
  }

  /** As a person does it: the command that `vireo token create` prints is run on the machine. */
  async function joinCluster(machine: Machine): Promise<void> {
    const [, ...command] = await joining(machine.name);
    await machine.run(...node(...command, '--state-dir', stateDirectory(machine.name), '--no-agent'));
  }

  async function joining(hostName: string): Promise<string[]> {
    return (await must(node('token', 'create', '--host', hostName), { env })).trim().split(' ');
  }

  async function addWitness(witnessName: string): Promise<void> {
    await allow(CONTROL);
    const [, , ...rest] = await joining(witnessName);
    const place = ['--state-dir', stateDirectory(CONTROL)];
    await service(control, 'witness', node('witness', ...rest, ...place), 'ready').start();
  }

  async function up(hosts: readonly string[]): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o711 });
    await wires.create();
    await connectThisMachine();
    await control.powerOn();
    await dhcp.start();
    await apiserver.start();
    await must(['kubectl', 'apply', '-k', join(checkout, 'crds')], { env });
    await manager.start();
    await must(['kubectl', 'apply', '-k', join(checkout, 'manifests/rbac')], { env });
    for (const each of hosts) {
      if (options.diskBytes !== undefined) await insertDisk(disk(each), options.diskBytes);
      await allow(each);
    }
    await Promise.all(
      hosts.map(async (each) => {
        await host(each).powerOn();
        await connected(
          host(each),
          `${net}.1`,
          ['switch', CONTROL, each].map((of) => `${name}-${of}`),
        );
        await start(each);
      }),
    );
  }

  /** One end of the last cable is here, so that kubectl and people reach control plane and guests. */
  async function connectThisMachine(): Promise<void> {
    await wires.plug('uplink', String(process.pid), name);
    await must(['ip', 'addr', 'add', `${net}.254/24`, 'dev', name]);
    await must(['ip', 'link', 'set', name, 'up']);
  }

  /** What the API may reach on the host: its agent.yaml. A watchdog would reset the machine underneath. */
  async function allow(hostName: string): Promise<void> {
    const folder = join(disk(hostName), 'etc', 'vireo');
    await mkdir(folder, { recursive: true });
    const paths = (path: string | undefined) => JSON.stringify(path === undefined ? [] : [path]);
    await writeFile(
      join(folder, 'agent.yaml'),
      `watchdog: None\nbridges: [vmbr0]\npoolPaths: ${paths(options.shared)}\nimagePaths: ${paths(options.images)}\n`,
    );
  }

  return {
    directory,
    kubeconfig,
    isUp: wires.exists,
    hostNames,
    host,
    control,
    apiserver,
    manager,
    up,
    start,
    addWitness,
    cut: (from, to, direction = 'Both') => wires.cut(from, to, direction),
    mend: wires.mend,
    kubectl: (...args) => must(['kubectl', ...args], { env, timeoutMs: 150_000 }),
    tryKubectl: (...args) => run(['kubectl', ...args], { env }),
    apply: (yaml) => must(['kubectl', 'apply', '-f', '-'], { env, input: yaml }),
    find: (kind, objectName) => reader.find(`${kind}/${objectName}`),
    get: async <T>(kind: string, objectName?: string) => {
      const what = objectName === undefined ? kind : `${kind}/${objectName}`;
      const found = await reader.find<T>(what);
      if (found === undefined) throw new Error(`there is no ${what}`);
      return found;
    },
    addresses: async () => leasesOf(await readFile(leases, 'utf8').catch(() => '')),
    down: async () => {
      for (const each of [...(await poweredNames()).map(host), control]) await each.powerCut();
      await wires.unplug('uplink');
      await wires.remove();
      await ejectDisks(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** dnsmasq(8), lease file: expiry, MAC address, address, name, client id. */
function leasesOf(text: string): Map<string, string> {
  const fields = text.split('\n').map((line) => line.split(' '));
  return new Map(fields.map(([, mac = '', address = '']) => [mac, address]));
}
