/** A host for real containers that leaves nothing behind: directories, control groups and id ranges of its own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createCgroups } from '../../../src/drivers/cgroup/cgroups.ts';
import type { Cgroups } from '../../../src/drivers/cgroup/contract.ts';
import type {
  ContainerHardware,
  ContainerRequest,
  GuestHandle,
} from '../../../src/drivers/hypervisor/contract.ts';
import type { LxcDriver } from '../../../src/drivers/hypervisor/lxc/driver.ts';
import { createLxcDriver } from '../../../src/drivers/hypervisor/lxc/driver.ts';
import { ensureIdRange, removeIdRange } from '../../../src/drivers/hypervisor/lxc/idrange.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import type { HypervisorLab } from '../../contract/hypervisor/suite.ts';
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
};

export async function containerLab(): Promise<ContainerLab> {
  const world = realWorld({ logLevel: 'error' });
  const base = await mkdtemp('/tmp/vireo-lxc-');
  await chmod(base, 0o711);
  const root = `vireo-e2e-${randomBytes(4).toString('hex')}/h1`;
  const cgroups = await createCgroups({ world, root });
  const lxcPath = `${base}/lxc`;
  await ensureIdRange(world, { base: idBase, count: 65_536 });
  await mkdir(`${base}/rootfs`, { mode: 0o700 });
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
    crash: async (one) => {
      process.kill(await pidOf(one, 'init'), 'SIGKILL');
    },
    powerOff: async (one) => {
      await inside(one, '/bin/poweroff');
    },
    followsShutdown: true,
    countProcesses: async (one) => (await initsOf(root, one.id)).length,
    close: async () => {
      for (const id of await cgroups.list()) {
        await cgroups.killAll(id);
        await cgroups.remove(id);
      }
      await cgroups.removeRoot();
      await removeIdRange(world, { base: idBase, count: 65_536 });
      await rm(base, { recursive: true, force: true });
    },
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
