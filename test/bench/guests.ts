/** How fast a guest comes up, from the API server's 201 to running, against the same guest started by hand. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container } from '../../src/api/kinds/container.ts';
import { VirtualMachine } from '../../src/api/kinds/virtualMachine.ts';
import type { Client } from '../../src/client/contract.ts';
import { must, run, until } from '../e2e/harness/commands.ts';
import { qemuPid } from '../e2e/harness/host.ts';
import type { Lab } from '../e2e/harness/lab.ts';
import { type Figure, median } from './measure.ts';

const ROUNDS = 15;
const GROUPS = '/sys/fs/cgroup/pids/vireo';
const RAW_GROUP = 'vireo-bench-raw';
/** What Vireo may add to the raw start. */
const ALLOWANCE_MS = 60;

export const BASE = `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
`;

function machine(name: string): VirtualMachine {
  const spec = {
    runStrategy: 'Always',
    shutdown: { timeoutSeconds: 1 },
    memory: { size: '64Mi' },
    disks: [{ name: 'root', pool: 'local', size: '16Mi' }],
  } as const;
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'VirtualMachine',
    metadata: { name, namespace: 'default' },
    spec: { ...spec, disks: [...spec.disks] },
  };
}

export function container(name: string): Container {
  const spec = { runStrategy: 'Always', image: 'busybox', rootfs: { pool: 'local' } } as const;
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Container',
    metadata: { name, namespace: 'default' },
    spec,
  };
}

export async function benchMachine(lab: Lab, client: Client): Promise<Figure[]> {
  const ours: number[] = [];
  let argv: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `bench-vm-${round}`;
    const sockets = await socketsBefore(lab);
    await client.create(VirtualMachine, machine(name));
    const created = performance.now();
    await newMachineRuns(lab, sockets);
    ours.push(performance.now() - created);
    const uuid = await until('its uuid is known', async () => {
      return (await lab.get<{ status?: { uuid?: string } }>('vm', name)).status?.uuid;
    });
    argv = (await readFile(`/proc/${await qemuPid(uuid)}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    await lab.kubectl('delete', 'vm', name, '--wait');
  }
  const raw: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) raw.push(await rawMachine(argv));
  const kubectl = await kubectlTime(lab);
  const by = { name: 'same argv by hand', value: median(raw) };
  return [
    {
      name: 'virtual machine: 201 to QMP running',
      ours: median(ours),
      unit: 'ms',
      against: by,
      aim: by.value + ALLOWANCE_MS,
    },
    { name: "kubectl's own time for one apply, not counted above", ours: kubectl, unit: 'ms' },
  ];
}

/** From its start to its end, for a machine that is to be off. */
async function kubectlTime(lab: Lab): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const made = machine(`bench-apply-${round}`);
    const halted = { ...made, spec: { ...made.spec, runStrategy: 'Halted' } };
    const started = performance.now();
    await lab.apply(JSON.stringify(halted));
    times.push(performance.now() - started);
    await lab.kubectl('delete', 'vm', made.metadata.name, '--wait');
  }
  return median(times);
}

/** Directories of sockets that exist already. */
async function socketsBefore(lab: Lab): Promise<Set<string>> {
  return new Set(await runDirectories(lab));
}

async function runDirectories(_lab: Lab): Promise<string[]> {
  const found: string[] = [];
  for (const scope of await readdir('/run/vireo').catch(() => [])) {
    for (const id of await readdir(join('/run/vireo', scope)).catch(() => []))
      found.push(join('/run/vireo', scope, id));
  }
  return found;
}

async function newMachineRuns(lab: Lab, known: Set<string>): Promise<void> {
  const directory = await soon(async () => (await runDirectories(lab)).find((path) => !known.has(path)));
  await soon(() => qmpSaysRunning(join(directory, 'q2')));
}

async function soon<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error('waited 30 s in vain');
    await new Promise((next) => setTimeout(next, 4));
  }
}

/** One query-status on a monitor socket; false when it cannot be asked yet. */
function qmpSaysRunning(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(path);
    let text = '';
    socket.on('error', () => resolve(false));
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('"status"')) {
        resolve(/"status": ?"running"/.test(text));
        socket.destroy();
      }
    });
    socket.on('connect', () => socket.write('{"execute":"qmp_capabilities"}\n{"execute":"query-status"}\n'));
    socket.setTimeout(1_000, () => {
      resolve(false);
      socket.destroy();
    });
  });
}

/** The same command line with sockets of its own, started and continued by hand; milliseconds until it runs. */
async function rawMachine(argv: readonly string[]): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-raw-'));
  const disk = join(directory, 'disk.qcow2');
  await must(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '16M']);
  const own = argv.map((arg) =>
    arg.replaceAll(/\/run\/vireo\/[^/]+\/[^/,"]+/g, directory).replaceAll(/\/[^",=]*\.(qcow2|raw)/g, disk),
  );
  const started = performance.now();
  const child = spawn(own[0] ?? '', own.slice(1), { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await soon(() => continueMachine(join(directory, 'q')));
  const took = performance.now() - started;
  child.kill('SIGKILL');
  await ended;
  await rm(directory, { recursive: true });
  return took;
}

function continueMachine(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(path);
    let text = '';
    socket.on('error', () => resolve(false));
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('"RESUME"') || /"status": ?"running"/.test(text)) {
        resolve(true);
        socket.destroy();
      }
    });
    socket.on('connect', () =>
      socket.write('{"execute":"qmp_capabilities"}\n{"execute":"cont"}\n{"execute":"query-status"}\n'),
    );
  });
}

export async function benchContainer(lab: Lab, client: Client): Promise<Figure[]> {
  const ours: number[] = [];
  let config = '';
  let last = '';
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `bench-ct-${round}`;
    const known = new Set(await readdir(join(lab.dataDirectory, 'agent/guests')).catch(() => []));
    await client.create(Container, container(name));
    const created = performance.now();
    const id = await soon(async () =>
      (await readdir(join(lab.dataDirectory, 'agent/guests')).catch(() => [])).find((one) => !known.has(one)),
    );
    await soon(() => initRuns(id));
    ours.push(performance.now() - created);
    last = id;
    config = await readFile(join(lab.dataDirectory, 'agent/guests', id, 'lxc/config'), 'utf8');
    await lab.kubectl('delete', 'ct', name, '--wait');
  }
  const raw = median(await rawContainers(config, last, lab));
  const by = { name: 'lxc-start + lxc-wait, same configuration', value: raw };
  return [
    {
      name: 'container: 201 to RUNNING',
      ours: median(ours),
      unit: 'ms',
      against: by,
      aim: by.value + ALLOWANCE_MS,
    },
  ];
}

/** A process is in the container's payload group: its init runs. Looks at one file, so that looking costs nothing. */
async function initRuns(id: string): Promise<boolean> {
  for (const scope of await readdir(GROUPS).catch(() => [])) {
    const inner = await readFile(join(GROUPS, scope, id, 'payload/ns/cgroup.procs'), 'utf8').catch(() => '');
    if (inner !== '') return true;
  }
  return false;
}

/**
 * A container with the configuration and root of the guest `id`, started by LXC's own commands: unprivileged, with its limits and its log. Only
 * names, paths and control groups are its own.
 */
async function rawContainers(config: string, id: string, lab: Lab): Promise<number[]> {
  const root = await mkdtemp(join(tmpdir(), 'vireo-rawct-'));
  await chmod(root, 0o711);
  const rootfs = /^lxc\.rootfs\.path = dir:(.*)$/m.exec(config)?.[1] ?? '';
  await must([
    'cp',
    '-a',
    join(lab.dataDirectory, 'agent/pools/local/images/busybox/rootfs'),
    join(root, 'rootfs'),
  ]);
  await writeFile(join(root, 'reboot'), 'exit 0\n');
  const groups = /^lxc\.cgroup\.dir\.container = (.*)\/payload$/m.exec(config)?.[1] ?? '';
  const own = config
    .replaceAll(rootfs, join(root, 'rootfs'))
    .replaceAll(groups, RAW_GROUP)
    .replaceAll(join(lab.dataDirectory, 'agent/guests', id, 'lxc'), root);
  await writeFile(join(root, 'config'), own);
  const name = ['-P', root, '-n', 'raw'];
  const log = ['-o', join(root, 'log'), '-l', 'DEBUG'];
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    await must(['lxc-start', ...name, '-f', join(root, 'config'), ...log]);
    await must(['lxc-wait', ...name, '-s', 'RUNNING']);
    times.push(performance.now() - started);
    await run(['lxc-stop', ...name, '-k']);
  }
  await rm(root, { recursive: true, force: true });
  await run([
    'sh',
    '-c',
    `find /sys/fs/cgroup/*/${RAW_GROUP} /sys/fs/cgroup/${RAW_GROUP} -depth -type d -delete`,
  ]);
  return times;
}

/** A hundred small containers out of one file, until all run. */
export async function benchHundred(lab: Lab): Promise<Figure[]> {
  const file = join(lab.dataDirectory, 'hundred.json');
  const items = Array.from({ length: 100 }, (_, index) => container(`many-${index}`));
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const started = performance.now();
  const applying = lab.kubectl('apply', '-f', file);
  const seen = new Set<string>();
  await until('100 containers run', async () => (await runningContainers(lab, seen)) >= 100, 120_000);
  const took = (performance.now() - started) / 1000;
  await applying;
  await lab.kubectl('delete', '-f', file, '--wait');
  return [{ name: '100 containers from one file, all running', ours: took, unit: 's', aim: 6 }];
}

/** Looks only at those that did not run before, so that looking takes no time from what is measured. */
async function runningContainers(lab: Lab, seen: Set<string>): Promise<number> {
  const ids = await readdir(join(lab.dataDirectory, 'agent/guests')).catch(() => []);
  const fresh = ids.filter((id) => !seen.has(id));
  await Promise.all(fresh.map(async (id) => (await initRuns(id)) && seen.add(id)));
  return seen.size;
}
