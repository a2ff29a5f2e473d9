/** A simulated host in memory: a file system that outlives driver objects, a clock the test owns, and requests to start from. */
import type {
  ContainerRequest,
  GuestHandle,
  MachineRequest,
} from '../../../../src/drivers/hypervisor/contract.ts';
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
  type SimulatedOptions,
} from '../../../../src/drivers/hypervisor/simulated/driver.ts';
import type { SimulatedKind } from '../../../../src/drivers/hypervisor/simulated/kinds.ts';
import { simulatedMachines } from '../../../../src/drivers/hypervisor/simulated/kinds.ts';
import type { TableFiles } from '../../../../src/drivers/hypervisor/simulated/table.ts';
import { createFakeClock } from '../../../world/fakeClock.ts';

export const machineRequest: MachineRequest = {
  machine: 'q35',
  cpu: { sockets: 1, cores: 2, threads: 1 },
  memoryBytes: 512 * 1024 ** 2,
  firmware: 'BIOS',
  disks: [
    {
      name: 'root',
      bus: 'virtio',
      readOnly: false,
      sizeBytes: 1024 ** 3,
      volume: { type: 'File', path: '/pool/web-root.qcow2', format: 'qcow2' },
    },
  ],
  networks: [
    {
      name: 'lan',
      mac: '52:54:00:12:34:56',
      model: 'virtio',
      linkState: 'Up',
      attachment: { type: 'Tap', ifname: 'vt0', bridge: 'br0' },
    },
  ],
  guestAgent: true,
  display: 'VNC',
};

export const containerRequest: ContainerRequest = {
  hostname: 'web',
  unprivileged: true,
  idBase: 100_000,
  cpu: { cores: 1 },
  memoryBytes: 64 * 1024 ** 2,
  rootfs: { type: 'Directory', path: '/pool/web-rootfs', shift: 'Idmapped' },
  networks: [],
};

/** The guest of this name; its id is the name, padded to the length of real ones. */
export function simulatedGuest(name: string): GuestHandle {
  return { id: name.padEnd(13, 'x'), uuid: `uuid-of-${name}`, name, directory: `/state/guests/${name}` };
}

/** The calls the simulated driver makes, on a map; `writes` counts what went to disk. */
export function memoryFiles(): TableFiles & { writes(): number } {
  const contents = new Map<string, string>();
  let writes = 0;
  return {
    makeDirectory: async () => {},
    readText: async (path) => contents.get(path),
    writeAtomic: async (path, data) => {
      await new Promise((resolve) => setImmediate(resolve));
      writes += 1;
      contents.set(path, typeof data === 'string' ? data : Buffer.from(data).toString());
    },
    writes: () => writes,
  };
}

/** A host whose drivers come and go while its state file stays. */
export function simulatedHost<Request, Hardware>(kind: SimulatedKind<Request, Hardware>) {
  const clock = createFakeClock();
  const files = memoryFiles();
  const driver = (
    options: Pick<SimulatedOptions<Request, Hardware>, 'latency' | 'faults'> = {},
  ): SimulatedHypervisor<Request, Hardware> =>
    createSimulatedHypervisor({ world: { clock, files }, kind, stateFile: '/state/guests.sim', ...options });
  return { clock, files, driver };
}

/** A host of simulated machines. */
export const machineHost = () => simulatedHost(simulatedMachines);
