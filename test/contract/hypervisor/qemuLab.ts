/** A host with a real QEMU for the contract suite: directories and control groups of its own, a guest that boots in a blink. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { World } from '../../../src/base/world.ts';
import { createCgroups } from '../../../src/drivers/cgroup/cgroups.ts';
import type { Cgroups } from '../../../src/drivers/cgroup/contract.ts';
import { createNoCgroups } from '../../../src/drivers/cgroup/none.ts';
import type {
  GuestHandle,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
} from '../../../src/drivers/hypervisor/contract.ts';
import { createQemuDriver, type QemuDriver } from '../../../src/drivers/hypervisor/qemu/driver.ts';
import { connectQmp } from '../../../src/drivers/hypervisor/qemu/qmp.ts';
import { machineSockets } from '../../../src/drivers/hypervisor/qemu/sockets.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { bootableDisk } from './bootSector.ts';
import type { HypervisorLab } from './suite.ts';

const patience = { timeout: 10_000, interval: 20 };

export type QemuLab = Omit<HypervisorLab<MachineRequest, MachineHardware>, 'driver'> & {
  driver(): QemuDriver;
  world: World;
  directory: string;
  runDirectory: string;
  cgroups: Cgroups;
  /** Process ids of a guest's QEMU, by its command line. */
  pids(guest: GuestHandle): Promise<number[]>;
};

/** `facts` saves the two seconds of trying KVM; `withCgroups: false`: as without root; `host`: one of several on this machine. */
export async function createQemuLab(
  options: { facts?: HypervisorFacts; withCgroups?: boolean; host?: string } = {},
): Promise<QemuLab> {
  const world = realWorld({ logLevel: 'error' });
  const directory = await mkdtemp(join(tmpdir(), 'vireo-qemu-'));
  const runDirectory = join(directory, 'run');
  const root = `vireo-test-${process.pid}${options.host ?? ''}`;
  const cgroups =
    options.withCgroups === false ? createNoCgroups({ world }) : await createCgroups({ world, root });
  const disk = join(directory, 'web.raw');
  const otherDisk = join(directory, 'db.raw');
  await writeFile(disk, bootableDisk(1024 ** 2));
  await writeFile(otherDisk, bootableDisk(1024 ** 2));
  const { facts } = options;
  const make = () =>
    createQemuDriver({ world, cgroups, runDirectory, ...(facts === undefined ? {} : { facts }) });
  const drivers: QemuDriver[] = [];
  const guests = new Map<string, GuestHandle>();

  const pids = async (guest: GuestHandle) => {
    const found: number[] = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const isGuest = line.split('\0').includes(guest.uuid);
      if (isGuest && (await world.processes.identify(Number(pid))) !== undefined) found.push(Number(pid));
    }
    return found;
  };
  const guest = (name: string) => {
    const known = guests.get(name);
    if (known !== undefined) return known;
    const digits = createHash('sha256').update(`${directory} ${name}`).digest('hex').slice(0, 12);
    const uuid = `00000000-0000-4000-8000-${digits}`;
    const made = { id: name.padEnd(13, 'a'), uuid, name, directory: join(directory, 'guests', name) };
    guests.set(name, made);
    return made;
  };
  const serial = (one: GuestHandle) =>
    world.sockets.connectUnix(machineSockets(runDirectory, one.id).serial, { timeoutMs: 2_000 });

  return {
    world,
    directory,
    runDirectory,
    cgroups,
    pids,
    guest,
    driver: () => {
      const driver = make();
      drivers.push(driver);
      return driver;
    },
    request: machineRequest(disk),
    otherRequest: machineRequest(otherDisk),
    changed: { request: { ...machineRequest(disk), memoryBytes: 128 * 1024 ** 2 }, path: 'memory.size' },
    followsShutdown: true,
    countProcesses: async (one) => (await pids(one)).length,
    crash: async (one) => {
      for (const pid of await pids(one)) process.kill(pid, 'SIGKILL');
      await vi.waitFor(async () => {
        if ((await pids(one)).length > 0) throw new Error('QEMU still lives');
      }, patience);
    },
    powerOff: async (one) => {
      const line = await serial(one);
      const monitor = await connectQmp(world, machineSockets(runDirectory, one.id).qmp2, 5_000);
      await vi.waitFor(async () => {
        line.write('p');
        expect(await monitor.execute('query-status')).toMatchObject({ status: 'shutdown' });
      }, patience);
      monitor.close();
      line.destroy();
    },
    close: async () => {
      const last = make();
      for (const one of guests.values()) {
        await last.kill(one);
        await last.remove(one);
      }
      for (const driver of [...drivers, last]) await driver.close();
      await cgroups.removeRoot();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The smallest machine that boots: one disk, no network. */
export function machineRequest(disk: string): MachineRequest {
  return {
    machine: 'q35',
    cpu: { sockets: 1, cores: 1, threads: 1 },
    memoryBytes: 64 * 1024 ** 2,
    firmware: 'BIOS',
    disks: [
      {
        name: 'root',
        bus: 'virtio',
        readOnly: false,
        sizeBytes: 1024 ** 2,
        volume: { type: 'File', path: disk, format: 'raw' },
      },
    ],
    networks: [],
    guestAgent: true,
    display: 'VNC',
  };
}
