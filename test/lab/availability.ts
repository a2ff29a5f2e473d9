/** Three real hosts with high availability, a pool they share, and the devices that cut them off. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { silentLog } from '../../src/base/log.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { must, until } from '../e2e/harness/commands.ts';
import type { Device, PowerCommands } from './devices/daemon.ts';
import { IPMI_PASSWORD, IPMI_USER, openIpmi } from './devices/ipmi.ts';
import { openManagedSwitch, SWITCH_COMMUNITY } from './devices/managed-switch.ts';
import { openPdu, PDU_COMMUNITY } from './devices/pdu.ts';
import { powerOf } from './devices/power.ts';
import { type Guest, type Instance, machineGuest, WRITER_IMAGE, writer } from './guests.ts';
import { type Lab, openLab } from './lab.ts';
import { buildWriterDisk } from './writer.ts';

export const HA_HOSTS: readonly string[] = ['a', 'b', 'c'];

export type HostHa = {
  spec?: object;
  status?: {
    keeper?: { term: number; watchdog: string; selfFencedAt?: string };
    ha?: { state: string; proof?: { kind: string } };
    conditions?: { type: string; status: string; reason: string }[];
  };
};

export type Availability = {
  lab: Lab;
  haOf(host: string): Promise<HostHa['status']>;
  /** A protected machine on the shared pool; resolves when it writes. */
  addMachine(name: string): Promise<Guest>;
  /** A management controller of the host, in the place of one it had; what it does is a real one's work unless `power` is somebody else's. */
  addIpmi(host: string, power?: PowerCommands): Promise<void>;
  /** A power strip whose outlets feed the hosts. */
  addPdu(hosts: readonly string[]): Promise<void>;
  /** The management side of the switch all hosts are plugged into; returns what takes a host's port down. */
  addSwitch(hosts: readonly string[]): Promise<{ unplug(host: string): Promise<void> }>;
  close(): Promise<void>;
};

/** Labs that tell the same stories side by side are numbered by VIREO_LAB: 0 when absent. Each story file has a network of its own, below four. */
const LAB = Number(process.env.VIREO_LAB ?? 0);
const NETWORKS = 4;

/** `name` and `network` are those of lab 0; `policy` is the spec of its ClusterPolicy. */
export async function openAvailability(options: {
  name: string;
  network: number;
  policy: string;
  /** Names of hosts; all of HA_HOSTS when absent. */
  hosts?: readonly string[];
  /** The first process of each host is systemd. */
  systemd?: boolean;
}): Promise<Availability> {
  const { policy, hosts: names = HA_HOSTS, systemd = false } = options;
  const name = LAB === 0 ? options.name : `${options.name}${LAB}`;
  const network = options.network + LAB * NETWORKS;
  const images = join(tmpdir(), 'vireo-lab-images');
  const ground = join(tmpdir(), `${name}-shared`);
  const shared = join(ground, 'pool');
  await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
  const directory = join(tmpdir(), `${name}-lab`);
  const lab = openLab({ name, directory, network, images, shared: ground, systemd });
  const devices: Device[] = [];
  const controllers = new Map<string, Device>();
  await lab.down();
  await mkdir(shared, { recursive: true });
  await lab.up(names);
  await lab.apply(foundationsOf({ shared, images, policy }));
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
  await until('each host has a keeper', async () => {
    const { items } = await lab.get<{ items: HostHa[] }>('vhost');
    return items.every(({ status }) => status?.keeper !== undefined);
  });

  /** Where devices listen: this machine's end of the lab's network, or the switch itself. */
  const at = (what: string, port: number) => ({
    ...{ directory: join(lab.directory, what), address: `10.${network}.0.254` },
    port: 19_000 + (network % 50) * 10 + port,
  });

  return {
    lab,
    haOf: async (host) => (await lab.get<HostHa>('vhost', host)).status,
    addMachine: async (machine) => {
      await lab.apply(protectedBy('{}', writer(machine, { pool: 'shared', image: 'shared-writer' })));
      const guest = machineGuest(lab, machine);
      await guest.writing();
      return guest;
    },
    addIpmi: async (host, power = powerOf(lab.host(host))) => {
      await controllers.get(host)?.close();
      const device = await openIpmi(at(`bmc-${host}`, HA_HOSTS.indexOf(host)), power);
      controllers.set(host, device);
      devices.push(device);
      const parameters = `username: ${IPMI_USER}, lanplus: "1", cipher: "3"`;
      await lab.apply(
        deviceOf(`${host}-bmc`, 'fence_ipmilan', device, `ipport: "${device.port}", ${parameters}`, 'bmc', [
          host,
        ]),
      );
    },
    addPdu: async (hosts) => {
      const outlets = new Map(hosts.map((host) => [plugOf(host), powerOf(lab.host(host))]));
      const device = await openPdu(at('pdu', 5), outlets);
      devices.push(device);
      const parameters = `ipport: "${device.port}", snmp_version: 2c`;
      await lab.apply(
        deviceOf('strip', 'fence_apc_snmp', device, parameters, 'strip', hosts, (host) =>
          String(plugOf(host)),
        ),
      );
    },
    addSwitch: async (hosts) => {
      const namespace = `${name}-switch`;
      const address = `10.${network}.0.253`;
      await must(['ip', '-n', namespace, 'link', 'set', 'lo', 'up']);
      await must(['ip', '-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'br0']);
      const directory = join(lab.directory, 'managed-switch');
      const device = await openManagedSwitch({ directory, address, port: 161, namespace });
      devices.push(device);
      await lab.apply(
        deviceOf('ports', 'fence_ifmib', device, 'snmp_version: 2c', 'ports', hosts, (host) => host),
      );
      return {
        unplug: async (host) => {
          const given = {
            ip: address,
            snmp_version: '2c',
            community: SWITCH_COMMUNITY,
            plug: host,
            action: 'off',
          };
          const input = Object.entries(given).map(([key, value]) => `${key}=${value}\n`);
          await must(['fence_ifmib'], { input: input.join('') });
        },
      };
    },
    close: async () => {
      await Promise.all(devices.map((one) => one.close()));
      await lab.down();
      await rm(ground, { recursive: true, force: true });
    },
  };
}

/** The guest of the lab with `spec.ha`, on the shared pool. */
export function protectedBy(ha: string, yaml: string): string {
  return yaml.replace(/spec:( \{|\n {2})/, (spec) => `${spec}ha: ${ha}${spec.endsWith('{') ? ', ' : '\n  '}`);
}

/** Those of the processes that are not frozen: what is frozen executes nothing. */
export async function executing(instances: readonly Instance[]): Promise<Instance[]> {
  const states = await Promise.all(instances.map(async (one) => ({ one, frozen: await isFrozen(one.pid) })));
  return states.filter(({ frozen }) => !frozen).map(({ one }) => one);
}

/** Waits until the guest runs elsewhere than on `host`, and gives how long that took, in milliseconds. */
export function runsElsewhere(guest: Guest, host: string): Promise<number> {
  const begun = performance.now();
  return until(
    `${guest.name} runs elsewhere`,
    async () => (await guest.instances()).some((one) => one.host !== host) && performance.now() - begun,
    90_000,
  );
}

/** Looks all the time how often the guest executes, until it is asked for the moments at which that was more than once. */
export function watchTwice(guest: Guest): { ends(): Promise<{ looks: number; twice: string[] }> } {
  let isOver = false;
  const twice: string[] = [];
  let looks = 0;
  const watching = (async () => {
    while (!isOver) {
      const now = await executing(await guest.instances()).catch(() => []);
      looks += 1;
      if (new Set(now.map(({ host }) => host)).size > 1)
        twice.push(now.map(({ host }) => host).join(' and '));
      await new Promise((next) => setTimeout(next, 50));
    }
  })();
  return {
    ends: async () => {
      isOver = true;
      await watching;
      return { looks, twice };
    },
  };
}

async function isFrozen(pid: number): Promise<boolean> {
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
  for (const [, controllers = '', path = ''] of groups.matchAll(/^\d+:(.*?):(.*)$/gm)) {
    const at = controllers === '' ? '/sys/fs/cgroup' : '/sys/fs/cgroup/freezer';
    if (controllers === 'freezer') {
      const state = await readFile(`${at}${path}/freezer.state`, 'utf8').catch(() => '');
      if (state.trim() !== 'THAWED' && state !== '') return true;
    }
    if (controllers === '') {
      const events = await readFile(`${at}${path}/cgroup.events`, 'utf8').catch(() => '');
      if (/^frozen 1$/m.test(events)) return true;
    }
  }
  return false;
}

const plugOf = (host: string) => HA_HOSTS.indexOf(host) + 1;

function deviceOf(
  name: string,
  agent: string,
  { address }: Device,
  parameters: string,
  secret: string,
  hosts: readonly string[],
  plug?: (host: string) => string,
): string {
  const list = hosts.map((host) => `{name: ${host}${plug === undefined ? '' : `, plug: "${plug(host)}"`}}`);
  return `
apiVersion: vireo.dev/v1alpha1
kind: FenceDevice
metadata: {name: ${name}}
spec:
  agent: ${agent}
  parameters: {ip: ${address}, ${parameters}}
  secretRef: {name: ${secret}}
  hosts: [${list.join(', ')}]
`;
}

function foundationsOf({
  shared,
  images,
  policy,
}: {
  shared: string;
  images: string;
  policy: string;
}): string {
  const secret = (name: string, key: string, value: string) => `
---
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: vireo-system}
type: vireo.dev/fence-device
stringData: {${key}: ${value}}
`;
  return `
apiVersion: vireo.dev/v1alpha1
kind: ClusterPolicy
metadata: {name: default}
spec: ${policy}
---
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: shared}
spec: {type: Directory, shared: true, directory: {path: ${shared}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: shared-writer}
spec: {kind: Disk, pool: shared, source: {path: {path: ${join(images, WRITER_IMAGE)}}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: shared, source: {build: {recipe: BusyboxRootfs}}}
${secret('bmc', 'password', IPMI_PASSWORD)}${secret('strip', 'community', PDU_COMMUNITY)}${secret('ports', 'community', SWITCH_COMMUNITY)}`;
}
