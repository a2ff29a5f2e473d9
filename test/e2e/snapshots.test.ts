/** Snapshots and rollbacks of real machines and containers that write all the time, in pools of both types. */
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { buildWriterDisk, verifyDisk, type Writing, writingAt } from '../lab/writer.ts';
import { must, until } from './harness/commands.ts';
import { type HostState, hostState } from './harness/host.ts';
import { type Lab, startLab } from './harness/lab.ts';

type Guest = {
  status?: {
    phase?: string;
    lock?: object;
    networks?: { addresses?: string[] }[];
    volumes?: { name: string; id: string }[];
  };
};
type Snapshot = {
  status?: {
    phase?: string;
    consistency?: string;
    stillMilliseconds?: number;
    parent?: string;
    message?: string;
  };
};

let place: string;
let lab: Lab;
let before: HostState;
const mount = () => join(place, 'mnt');

const foundations = () => `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: snap}
spec: {type: Btrfs, btrfs: {path: ${mount()}/pool}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: writer}
spec: {kind: Disk, pool: local, source: {path: {path: ${place}/images/writer.qcow2}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: writer-snap}
spec: {kind: Disk, pool: snap, source: {path: {path: ${place}/images/writer.qcow2}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: snap, source: {build: {recipe: BusyboxRootfs}}}
`;

const machine = (name: string, pool: string, image: string, format: string) => `
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: ${name}, namespace: default}
spec:
  memory: {size: 96Mi}
  display: None
  disks:
    - {name: root, pool: ${pool}, format: ${format}, source: {image: {name: ${image}}}}
    - {name: data, pool: ${pool}, format: ${format}, size: 16Mi}
  networks: [{name: eth0, nat: {}}]
  shutdown: {timeoutSeconds: 10}
`;

const container = `
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: web, namespace: default}
spec: {image: busybox, rootfs: {pool: snap}, memory: 64Mi, shutdown: {timeoutSeconds: 10}}
`;

const snapshot = (name: string, guest: string) => `
apiVersion: vireo.dev/v1alpha1
kind: Snapshot
metadata: {name: ${name}, namespace: default}
spec: {guest: ${guest}}
`;

const rollback = (name: string, to: string, guest: string) => `
apiVersion: vireo.dev/v1alpha1
kind: Rollback
metadata: {name: ${name}, namespace: default}
spec: {guest: ${guest}, snapshot: ${to}, ifRunning: Stop}
`;

beforeAll(async () => {
  before = await hostState();
  place = await mkdtemp(join(tmpdir(), 'vireo-snapshots-'));
  // Containers' users pass it.
  await must(['chmod', '711', place]);
  await mkdir(join(place, 'images'));
  await buildWriterDisk({ ...realWorld(), log: silentLog }, join(place, 'images', 'writer.qcow2'), {
    agent: true,
  });
  await mkdir(mount());
  await writeFile(join(place, 'disk'), '');
  await truncate(join(place, 'disk'), 2 ** 30);
  await must(['mkfs.btrfs', '-q', join(place, 'disk')]);
  await must(['mount', '-o', 'loop', join(place, 'disk'), mount()]);
  await writeFile(join(place, 'agent.yaml'), `poolPaths: [${mount()}]\nimagePaths: [${place}/images]\n`);
  lab = await startLab({ name: 'snapshots', args: ['--config', join(place, 'agent.yaml')] });
  await lab.apply(foundations());
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
});
afterAll(async () => {
  await lab?.dispose();
  await must(['umount', mount()]);
  await rm(place, { recursive: true });
  expect(await hostState()).toEqual(before);
});

const guestOf = (ref: string) => lab.get<Guest>(ref);

async function addressOf(ref: string): Promise<string> {
  return until(
    'it has an address',
    async () => (await guestOf(ref)).status?.networks?.[0]?.addresses?.[0],
    120_000,
  );
}

/** Waits until the guest has written `count` records more than it had at `from`. */
async function written(address: string, from: Writing | undefined, count: number): Promise<Writing> {
  return until('it writes', async () => {
    const now = await writingAt(address);
    return now !== undefined && now.number >= (from?.number ?? 0) + count && now;
  });
}

async function take(name: string, guest: string): Promise<NonNullable<Snapshot['status']>> {
  await lab.apply(snapshot(name, guest));
  return until(`${name} is taken`, async () => {
    const { status } = await lab.get<Snapshot>(`snap/${name}`);
    if (status?.phase === 'Failed') throw new Error(status.message);
    return status?.phase === 'Ready' && status;
  });
}

async function rollBack(name: string, to: string, guest: string): Promise<void> {
  await lab.apply(rollback(name, to, guest));
  await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s', `rb/${name}`);
}

async function diskOf(ref: string, name: string, pool: string, format: string): Promise<string> {
  const id = (await guestOf(ref)).status?.volumes?.find((volume) => volume.name === name)?.id;
  return join(pool, 'volumes', id ?? '', `disk.${format}`);
}

describe.each([
  [
    'qcow2 disks in a Directory pool',
    'a',
    'local',
    'writer',
    'qcow2',
    () => join(lab.dataDirectory, 'agent/pools/local'),
  ],
  ['raw disks in a Btrfs pool', 'b', 'snap', 'writer-snap', 'raw', () => join(mount(), 'pool')],
] as const)('a machine with %s', (_, name, pool, image, format, poolPath) => {
  const ref = `vm/${name}`;
  const guest = `{kind: VirtualMachine, name: ${name}}`;
  let address: string;
  let first: Writing;

  it('is snapshotted while it writes, frozen and for a moment only', async () => {
    await lab.apply(machine(name, pool, image, format));
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', ref);
    address = await addressOf(ref);
    first = await written(address, undefined, 20);
    const one = await take(`${name}-1`, guest);
    expect(one).toMatchObject({ consistency: 'Filesystem' });
    process.stdout.write(`${name}: stood still for ${one.stillMilliseconds} ms\n`);
    const second = await written(address, first, 20);
    expect(second.boot).toBe(first.boot);
    expect(await take(`${name}-2`, guest)).toMatchObject({ parent: `${name}-1` });
    expect((await guestOf(ref)).status?.lock).toBeUndefined();
  });

  it('loses one in the middle and goes back to another, with nothing lost of what it had written by then', async () => {
    const then = await written(address, undefined, 1);
    await take(`${name}-3`, guest);
    await lab.kubectl('delete', '--timeout=60s', 'snap', `${name}-2`);
    const now = await written(address, then, 60);
    await rollBack(`${name}-back`, `${name}-3`, guest);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', ref);
    const after = await until(
      'it writes again',
      async () => {
        const writing = await writingAt(address);
        return writing !== undefined && writing.boot !== now.boot && writing;
      },
      120_000,
    );
    expect(after.number).toBeGreaterThanOrEqual(then.number);
    expect(after.number).toBeLessThan(now.number);
    await written(address, after, 10);
  });

  it('runs on whenever its agent is killed, with whole snapshots only', async () => {
    const start = await written(address, undefined, 1);
    for (let round = 0; round < 6; round += 1) {
      const killed = await lab.child('agent');
      await lab.apply(snapshot(`${name}-kill-${round}`, guest));
      await new Promise((later) => setTimeout(later, round * 60));
      process.kill(killed, 'SIGKILL');
      await lab.kubectl(
        'wait',
        '--for=jsonpath={.status.phase}=Ready',
        '--timeout=60s',
        `snap/${name}-kill-${round}`,
      );
      const now = await written(address, undefined, 1);
      await written(address, now, 3);
      expect(now.boot).toBe(start.boot);
    }
    const listed = await lab.get<{ items: { metadata: { uid: string } }[] }>(
      'snap',
      `--field-selector=spec.guest.name=${name}`,
    );
    const uids = listed.items.map(({ metadata }) => `snap-${metadata.uid}`).sort();
    for (const disk of ['root', 'data']) expect(await keptBy(ref, disk)).toEqual(uids);
  });

  async function keptBy(of: string, disk: string): Promise<string[]> {
    const path = await diskOf(of, disk, poolPath(), format);
    if (format === 'raw') {
      const id = path.split('/').at(-2) ?? '';
      return (await must(['ls', join(poolPath(), 'snapshots', id)])).trim().split('\n').sort();
    }
    const info = JSON.parse(await must(['qemu-img', 'info', '-U', '--output=json', path])) as {
      snapshots?: { name: string }[];
    };
    return (info.snapshots ?? []).map((kept) => kept.name).sort();
  }

  it('has a disk without a gap in the end, and takes everything with it', async () => {
    await lab.kubectl('patch', ref, '--type=merge', '-p', '{"spec":{"runStrategy":"Halted"}}');
    await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Stopped', '--timeout=60s', ref);
    await verifyDisk(await diskOf(ref, 'data', poolPath(), format));
    await lab.kubectl('delete', '--timeout=60s', ref);
    await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Lost', '--timeout=60s', `snap/${name}-1`);
    await lab.kubectl('delete', '--timeout=60s', 'snap', '--all');
  });
});

describe('a container in a Btrfs pool', () => {
  const guest = '{kind: Container, name: web}';
  const rootOf = async () => {
    const id = (await guestOf('ct/web')).status?.volumes?.[0]?.id ?? '';
    return join(mount(), 'pool', 'volumes', id, 'rootfs');
  };

  it('goes back to what it was, while it runs and with the identity it has', async () => {
    await lab.apply(container);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'ct/web');
    await writeFile(join(await rootOf(), 'note'), 'then');
    const status = await take('web-1', guest);
    process.stdout.write(`web: stood still for ${status.stillMilliseconds} ms\n`);
    await writeFile(join(await rootOf(), 'note'), 'now');
    await rollBack('web-back', 'web-1', guest);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'ct/web');
    expect(await readFile(join(await rootOf(), 'note'), 'utf8')).toBe('then');
    await lab.kubectl('delete', '--timeout=60s', 'snap/web-1', 'ct/web');
  });
});
