/** A host for real containers that leaves nothing behind: directories, control groups and id ranges of its own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import type { World } from '../../../src/base/world.ts';
import { createCgroups } from '../../../src/drivers/cgroup/cgroups.ts';
import type { Cgroups } from '../../../src/drivers/cgroup/contract.ts';
import type {
  ContainerHardware,
  ContainerRequest,
  GuestHandle,
} from '../../../src/drivers/hypervisor/contract.ts';
import type { LxcDriver } from '../../../src/drivers/hypervisor/lxc/driver.ts';
import { consoleCommand, createLxcDriver } from '../../../src/drivers/hypervisor/lxc/driver.ts';
import { ensureIdRange, removeIdRange } from '../../../src/drivers/hypervisor/lxc/idrange.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import type { HypervisorLab } from '../../contract/hypervisor/suite.ts';
import type { TestHost } from './network.ts';
import { makeBusyboxRootfs } from './rootfs.ts';

const run = promisify(execFile);
export const idBase = 700_000_000;

export type ContainerLab = HypervisorLab<ContainerRequest, ContainerHardware> & {
  driver(): LxcDriver;
  cgroups: Cgroups;
  lxcPath: string;
  /** A request of this guest with a root file system of its own, changed as given. */
  requestOf(guest: GuestHandle, changes?: Partial<ContainerRequest>): Promise<ContainerRequest>;
  /** Runs a program inside and gives what it prints. */
  inside(guest: GuestHandle, ...argv: string[]): Promise<string>;
  pidOf(guest: GuestHandle, who: 'init' | 'monitor'): Promise<number>;
  /** Lets the guest reboot itself. */
  reboot(guest: GuestHandle): Promise<void>;
  /** What LXC would do without any of our checks, with the configuration of the last start. */
  startByHand(guest: GuestHandle): Promise<unknown>;
  /** Types a line on the console and gives what came back. */
  console(guest: GuestHandle, line: string): Promise<string>;
  /** First processes of the guest's containers, counted from /proc alone. */
  initPids(guest: GuestHandle): Promise<string[]>;
  /** Memory its processes have in use. */
  residentBytes(guest: GuestHandle): Promise<number>;
  emptyRootfs: string;
  /** What could be left on the machine: control groups, mounts, links. */
  traces(): Promise<unknown>;
};

export async function containerLab(options: { inHost?: TestHost } = {}): Promise<ContainerLab> {
  const world = worldOf(options.inHost);
  const base = await mkdtemp('/tmp/vireo-lxc-');
  await chmod(base, 0o711);
  const root = `vireo-e2e-${randomBytes(4).toString('hex')}/h1`;
  const cgroups = await createCgroups({ world, root });
  const lxcPath = `${base}/lxc`;
  await ensureIdRange(world, { base: idBase, count: 65_536 });
  await mkdir(`${base}/rootfs`, { mode: 0o700 });
  await mkdir(`${base}/rootfs/empty`);
  await makeBusyboxRootfs(`${base}/rootfs/shared`);

  const request: ContainerRequest = {
    hostname: 'web',
    unprivileged: true,
    idBase,
    cpu: {},
    rootfs: { type: 'Directory', path: `${base}/rootfs/shared`, shift: 'Idmapped' },
    networks: [],
  };

  const guest = (name: string): GuestHandle => ({
    id: `guest${name}`.padEnd(13, 'x').slice(0, 13),
    uuid: `00000000-0000-4000-8000-${Buffer.from(name.padEnd(6, 'x').slice(0, 6)).toString('hex')}`,
    name,
    directory: `${base}/guests/${name}`,
  });

  const pidOf = async (one: GuestHandle, who: 'init' | 'monitor') => {
    const record = JSON.parse(await readFile(`${one.directory}/lxc/run.json`, 'utf8'));
    return Number(record[who].pid);
  };

  const inside = async (one: GuestHandle, ...argv: string[]) => {
    const attach = ['-n', one.id, '-P', lxcPath, '--clear-env', '-v', 'PATH=/bin:/sbin', '--', ...argv];
    return (await run('lxc-attach', attach)).stdout;
  };

  /** A booted init follows at once, and may then take the very program along that told it. */
  const asRoot = async (one: GuestHandle, program: string) => {
    await vi.waitFor(() => inside(one, '/bin/cat', '/boots'), { timeout: 10_000, interval: 20 });
    await inside(one, program).catch(() => '');
  };

  return {
    cgroups,
    lxcPath,
    request,
    changed: { request: { ...request, hostname: 'renamed' }, path: 'hostname' },
    driver: () => createLxcDriver({ world, cgroups, lxcPath }),
    guest,
    requestOf: async (one, changes = {}) => {
      const path = `${base}/rootfs/${one.name}`;
      await access(path).catch(() => makeBusyboxRootfs(path));
      return {
        ...request,
        hostname: one.name,
        rootfs: { type: 'Directory', path, shift: 'Idmapped' },
        ...changes,
      };
    },
    inside,
    pidOf,
    startByHand: (one) => {
      const { directory } = one;
      return run('lxc-start', ['-n', one.id, '-P', lxcPath, '-f', `${directory}/lxc/config`]);
    },
    console: async (one, line) => {
      const command = consoleCommand(lxcPath, one.id).join(' ');
      const typed = `(sleep 0.3; printf '\\n${line}\\n'; sleep 0.7; printf '\\001q') | script -qec '${command}' /dev/null`;
      return (await run('sh', ['-c', typed])).stdout;
    },
    emptyRootfs: `${base}/rootfs/empty`,
    traces: async () => ({
      groups: await cgroups.list(),
      mounts: (await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((line) => line.includes(base)),
      links: await readdir('/sys/class/net'),
      // The programs LXC is given are the host's, made at the first start.
      files: (await readdir(lxcPath).catch(() => [])).filter((name) => name !== 'bin'),
    }),
    crash: async (one) => {
      process.kill(await pidOf(one, 'init'), 'SIGKILL');
    },
    powerOff: (one) => asRoot(one, '/bin/poweroff'),
    reboot: (one) => asRoot(one, '/bin/reboot'),
    followsShutdown: true,
    countProcesses: async (one) => (await initsOf(root, one.id)).length,
    residentBytes: async (one) => {
      const sizes = (await cgroups.members(`${one.id}/payload`)).map(residentBytes);
      return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
    },
    initPids: (one) => initsOf(root, one.id),
    close: async () => {
      for (const id of await cgroups.list()) {
        await cgroups.killAll(id);
        await cgroups.remove(id);
      }
      await cgroups.removeRoot();
      await removeIdRange(world, { base: idBase, count: 65_536 });
      await rm(base, { recursive: true, force: true });
      // LXC keeps a directory for each path it ever locked.
      await rm(`/run/lxc/lock${base}`, { recursive: true, force: true });
    },
  };
}

/** The machine's world, or that of a host in a network namespace, where all programs run inside it. */
function worldOf(host: TestHost | undefined): World {
  const world = realWorld({ logLevel: 'error' });
  if (host === undefined) return world;
  return {
    ...world,
    processes: { ...world.processes, run: (argv, given) => world.processes.run(host.on(argv), given) },
  };
}

/** First processes of containers in the guest's group, counted from /proc alone. */
async function initsOf(root: string, id: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const group = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    if (!group.includes(`/${root}/${id}/`)) continue;
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    if (/^NSpid:.*\s1$/m.test(status) && !/^State:\s+Z/m.test(status)) found.push(pid);
  }
  return found;
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
