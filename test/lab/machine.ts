/**
 * A machine of the lab: namespaces of its own for network, mounts, processes, names and IPC on the kernel of this one. Nothing of it is kept in
 * this process: what runs is found by the network namespace, so that any later process can go on with it or end it.
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutOf } from '../../src/main/layout.ts';
import { must, run, until } from '../e2e/harness/commands.ts';
import { removeControlGroups, thaw } from './groups.ts';
import type { Switch } from './switch.ts';

export type MachineOptions = {
  name: string;
  /** Of its network namespace, unique on this machine. */
  namespace: string;
  /** What it keeps without power: the data directory of what it runs, and its /etc. */
  disk: string;
  /** With the prefix length, of its bridge `vmbr0`, which its guests share. */
  address: string;
  switch: Switch;
  /** Its first process is systemd, and what runs on it are units; absent: a script that only reaps. */
  systemd?: boolean;
};

export type Machine = {
  readonly name: string;
  /** Of its network. */
  readonly namespace: string;
  readonly address: string;
  readonly disk: string;
  /** Its control groups, as the machine underneath sees them. */
  readonly groups: string;
  powerOn(): Promise<void>;
  /** Everything that runs on it is gone at once, as are its interfaces and control groups; its disk stays. */
  powerCut(): Promise<void>;
  isOn(): Promise<boolean>;
  bootId(): Promise<string>;
  /** Pids of this machine as the machine underneath sees them; those in containers are left out. */
  pids(): Promise<number[]>;
  /** The command, to be run inside. */
  inside(command: readonly string[]): Promise<string[]>;
  run(...command: string[]): Promise<string>;
};

/** A bridge counts as running, and its address as one, a moment after its port is plugged in. */
const IS_UP = '[ -e /run/lab/up ] && [ "$(cat /sys/class/net/vmbr0/operstate)" = up ]';

export function createMachine(options: MachineOptions): Machine {
  const { name, namespace, disk, address } = options;
  // Everything it has, where it has a root of its own.
  const { cgroupRoot, keeperGroup } = layoutOf(disk);
  const groups = options.systemd === true ? `lab-${namespace}` : cgroupRoot;
  const ip = (...args: string[]) => must(['ip', '-n', namespace, ...args]);

  async function pids(): Promise<number[]> {
    const { stdout } = await run(['ip', 'netns', 'pids', namespace]);
    return stdout
      .split('\n')
      .filter((pid) => pid !== '')
      .map(Number);
  }

  /** The first process: pid 1 in the innermost of its two pid namespaces. */
  async function init(): Promise<number | undefined> {
    for (const pid of await pids()) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      if (/^NSpid:\t\d+\t1$/m.test(status)) return pid;
    }
    return undefined;
  }

  async function inside(command: readonly string[]): Promise<string[]> {
    const pid = await init();
    if (pid === undefined) throw new Error(`${name} has no power`);
    return [
      ...['nsenter', '--target', String(pid), '--net', '--mount', '--pid', '--uts', '--ipc', '--'],
      ...command,
    ];
  }

  const machine: Machine = {
    name,
    namespace,
    address,
    disk,
    groups,
    pids,
    inside,
    run: async (...command) => must(await inside(command)),
    isOn: async () => (await init()) !== undefined,
    bootId: async () => (await machine.run('cat', '/proc/sys/kernel/random/boot_id')).trim(),
    powerOn: async () => {
      if (await machine.isOn()) return;
      await machine.powerCut();
      await mkdir(disk, { recursive: true, mode: 0o711 });
      await must(['ip', 'netns', 'add', namespace]);
      await options.switch.plug(name, namespace, 'up0');
      // An address of its own: else the bridge takes that of its lowest port, and changes it when guests come and go.
      await ip('link', 'add', 'vmbr0', 'address', hardwareAddress(address), 'type', 'bridge');
      await ip('link', 'set', 'up0', 'master', 'vmbr0', 'up');
      await ip('addr', 'add', address, 'dev', 'vmbr0');
      await ip('link', 'set', 'vmbr0', 'up');
      spawnInit();
      await until(`${name} is up`, async () => (await run(await inside(['sh', '-c', IS_UP]))).code === 0);
    },
    powerCut: async () => {
      const first = await init();
      if (first !== undefined) kill(first);
      await until(`nothing of ${name} runs`, async () => {
        await thaw(groups);
        const left = await pids();
        for (const pid of left) kill(pid);
        return left.length === 0;
      });
      await options.switch.unplug(name);
      await run(['ip', 'netns', 'delete', namespace]);
      for (const root of [groups, keeperGroup]) await removeControlGroups(root);
    },
  };

  function spawnInit(): void {
    const script = join(import.meta.dirname, 'machine-init.sh');
    spawn(
      'nsenter',
      [
        ...[
          `--net=/run/netns/${namespace}`,
          'unshare',
          '--mount',
          '--propagation',
          'private',
          '--uts',
          '--ipc',
        ],
        ...['--pid', '--fork', 'sh', script, name, disk],
        ...(options.systemd === true ? [groups] : []),
      ],
      { detached: true, stdio: 'ignore' },
    ).unref();
  }

  return machine;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** A locally administered address that follows from the IPv4 one. */
function hardwareAddress(cidr: string): string {
  const bytes = (cidr.split('/')[0] ?? '')
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'));
  return ['02', '00', ...bytes].join(':');
}
