/** Guests of a lab as its stories speak of them: where they are, what they write, how often they run. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../e2e/harness/commands.ts';
import { isLive } from '../e2e/harness/host.ts';
import type { Lab } from './lab.ts';
import { type Writing, writingAt } from './writer.ts';

/** An emulated machine boots in six seconds when nothing else runs here. */
const BOOT_MS = 300_000;
/** One that has run before boots again within this, also while other labs are at work. */
const ANSWER_MS = 180_000;

export const WRITER_IMAGE = 'writer.qcow2';

/** Pool and images that the guests below use. */
export function foundations(images: string): string {
  return `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: writer}
spec: {kind: Disk, pool: local, source: {path: {path: ${join(images, WRITER_IMAGE)}}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
`;
}

type Placed = { host?: string; pool?: string; image?: string };

const placement = ({ host }: Placed) => (host === undefined ? '' : `, placement: {host: ${host}}`);

/** A machine that writes; see writer.ts. Without a host, placement chooses. Its processor boots a sixth faster under emulation than one with all there is. */
export function writer(name: string, options: Placed = {}): string {
  const pool = options.pool ?? 'local';
  return `
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: ${name}, namespace: default}
spec:
  cpu: {model: x86-64-v2}
  memory: {size: 96Mi}
  display: None
  disks:
    - {name: root, pool: ${pool}, source: {image: {name: ${options.image ?? 'writer'}}}}
    - {name: data, pool: ${pool}, size: 16Mi}
  networks: [{name: eth0, bridge: {name: vmbr0}}]
  shutdown: {timeoutSeconds: 10}${placement(options).replace(', ', '\n  ')}
`;
}

/** A small container on the NAT network of its host; `limit` is the CPU time it may use. */
export function container(name: string, options: Placed & { limit?: string } = {}): string {
  const limit = options.limit === undefined ? '' : `, cpu: {limit: ${options.limit}}`;
  return `
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: ${name}, namespace: default}
spec: {image: busybox, rootfs: {pool: ${options.pool ?? 'local'}}, networks: [{name: eth0, nat: {}}]${limit}${placement(options)}}
`;
}

export type GuestStatus = {
  uuid?: string;
  placement?: { host: string; epoch: number };
  networks?: { mac?: string }[];
  volumes?: { name: string; pool: string; id: string }[];
  conditions?: { type: string; status: string; reason: string }[];
  ha?: { state: string };
};

/** A process of a guest, and whose machine it is on. */
export type Instance = { host: string; pid: number };

export type Guest = {
  /** As kubectl names it: `vm/NAME` or `ct/NAME`. */
  readonly name: string;
  status(): Promise<GuestStatus>;
  /** Host the API says it is on. */
  host(): Promise<string | undefined>;
  /** QEMU processes of it on all machines of the lab. */
  instances(): Promise<Instance[]>;
  /** What it tells by HTTP; waits until it answers. */
  writing(): Promise<Writing>;
  /** Path of its second disk on the host it is on, as the machine underneath sees it. */
  dataDisk(): Promise<string>;
  /** Waits until it has written more than `than`. */
  writesOn(than: Writing): Promise<Writing>;
};

export function machineGuest(lab: Lab, machineName: string): Guest {
  const name = `vm/${machineName}`;
  const status = async () => (await lab.get<{ status?: GuestStatus }>(name)).status ?? {};
  let known: string | undefined;

  /** The address stays, so it is looked up once; it can be asked while the API is away. */
  async function address(): Promise<string> {
    known ??= await until(
      `${name} has an address`,
      async () => {
        const mac = (await status()).networks?.[0]?.mac;
        return mac === undefined ? undefined : (await lab.addresses()).get(mac);
      },
      BOOT_MS,
    );
    return known;
  }

  async function writing(): Promise<Writing> {
    const from = await address();
    return until(`${name} answers at ${from}`, () => writingAt(from), ANSWER_MS);
  }

  return {
    name,
    status,
    host: async () => (await status()).placement?.host,
    instances: async () => instancesOf(lab, (await status()).uuid ?? machineName),
    writing,
    dataDisk: async () => {
      const { placement: at, volumes } = await status();
      const volume = volumes?.find((candidate) => candidate.name === 'data');
      if (at === undefined || volume === undefined) throw new Error(`${name} has no volume "data"`);
      return join(await poolDirectory(lab, volume.pool, at.host), 'volumes', volume.id, 'disk.qcow2');
    },
    writesOn: (than) =>
      until(`${name} writes on after ${than.number}`, async () => {
        const now = await writing();
        return now.number > than.number && now;
      }),
  };
}

/** Processes of QEMU with the uuid on their command line, machine by machine. */
export async function instancesOf(lab: Lab, uuid: string): Promise<Instance[]> {
  const found: Instance[] = [];
  for (const host of await lab.hostNames()) {
    for (const pid of await lab.host(host).pids()) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (/^[^\0]*qemu-system/.test(command) && command.includes(uuid) && (await isLive(pid)))
        found.push({ host, pid });
    }
  }
  return found;
}

/** Where a Directory pool lies on a host. */
export async function poolDirectory(lab: Lab, pool: string, host: string): Promise<string> {
  const { spec } = await lab.get<{ spec: { directory?: { path?: string } } }>('pool', pool);
  return spec.directory?.path ?? join(lab.host(host).disk, 'agent', 'pools', pool);
}
