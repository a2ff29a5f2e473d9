/** How fast guests are backed up and restored, against the raw tools on the same data in the same run. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Backup, type BackupSpec } from '../../src/api/kinds/backup.ts';
import { Restore } from '../../src/api/kinds/restore.ts';
import { VirtualMachine } from '../../src/api/kinds/virtualMachine.ts';
import type { KindRef, KubeObject, Stored } from '../../src/api/meta.ts';
import type { Client } from '../../src/client/contract.ts';
import { diskId } from '../../src/drivers/hypervisor/qemu/plan/ids.ts';
import { connectQmp } from '../../src/drivers/hypervisor/qemu/qmp.ts';
import { connect } from '../../src/main/connect.ts';
import { layoutOf } from '../../src/main/layout.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { must, until } from '../e2e/harness/commands.ts';
import type { Lab } from '../e2e/harness/lab.ts';
import { type Figure, median } from './measure.ts';

const MIB = 2 ** 20;
const ROUNDS = 3;
/** Most that a backup of next to nothing may take: what each costs whatever its size, seconds. */
const COST_AIM = 0.3;
/** What is backed up: MiB of a machine's disk, and directories of 256 files of 64 KiB in a container. `judged`: against the aims of throughput. */
export type Sizes = { diskMib: number; directories: number; judged: boolean };
/** What a backup costs whatever its size weighs so much here that its ratios are told only. */
export const SMALL: Sizes = { diskMib: 768, directories: 16, judged: false };
/** As small guests are in earnest. */
export const LARGE: Sizes = { diskMib: 3_072, directories: 64, judged: true };
const MACHINE = { kind: 'VirtualMachine', name: 'full' } as const;
/** All of it, what has changed, and nothing: then all of it again. */
const CHAIN = { fullEvery: 3 };
const CONTAINER = { kind: 'Container', name: 'full' } as const;

type Bench = { lab: Lab; client: Client; place: string; sizes: Sizes };

/** `images` is a directory that the agent may read images from; without `kinds` both are measured. */
export async function benchBackup(
  lab: Lab,
  images: string,
  sizes: Sizes,
  kinds: readonly ('machine' | 'container')[] = ['machine', 'container'],
): Promise<Figure[]> {
  const client = await connect(lab.kubeconfig, 'bench', realWorld({ logLevel: 'error' }));
  const place = join(lab.dataDirectory, 'by-hand');
  await mkdir(place);
  try {
    const bench = { lab, client, place, sizes };
    await writeHalf(join(images, 'full.raw'), sizes.diskMib);
    await lab.apply(guests(images));
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'vm/full', 'ct/full');
    const few = kinds.includes('container') ? [await fewFiles(bench)] : [];
    await fillContainer(bench);
    // What was written just now would be paid for by who flushes first.
    await must(['sync']);
    const machine = kinds.includes('machine') ? await machineFigures(bench) : [];
    await must(['sync']);
    return [...few, ...machine, ...(kinds.includes('container') ? await containerFigures(bench) : [])];
  } finally {
    await client.close();
    await rm(place, { recursive: true, force: true });
  }
}

/** Half of each MiB is random and half of it is not, as data of guests is. It boots nothing, and its machine idles. */
async function writeHalf(path: string, mib: number): Promise<void> {
  const file = await open(path, 'w');
  for (let written = 0; written < mib; written += 1)
    await file.write(Buffer.concat([randomBytes(MIB / 2), Buffer.alloc(MIB / 2, 'half of it')]));
  await file.write(Buffer.alloc(512), 0, 512, 0);
  await file.close();
}

function guests(images: string): string {
  return `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: full}
spec: {kind: Disk, pool: local, source: {path: {path: ${join(images, 'full.raw')}}}}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: full, namespace: default}
spec:
  memory: {size: 64Mi}
  display: None
  disks: [{name: root, pool: local, source: {image: {name: full}}}]
  shutdown: {timeoutSeconds: 1}
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: full, namespace: default}
spec: {image: busybox, rootfs: {pool: local}, memory: 64Mi, shutdown: {timeoutSeconds: 5}}
`;
}

/** In turn, so that what else this machine does falls on both. */
async function machineFigures(bench: Bench): Promise<Figure[]> {
  const disk = await volumeOf(bench, 'disk.*');
  const format = disk.endsWith('qcow2') ? 'qcow2' : 'raw';
  const saved = (round: number) => join(bench.place, `disk-${round}.qcow2`);
  const back = join(bench.place, 'disk.raw');
  const times: Record<
    'ours' | 'changed' | 'same' | 'hand' | 'back' | 'backOff' | 'raw' | 'rawOff',
    number[]
  > = { ours: [], changed: [], same: [], hand: [], back: [], backOff: [], raw: [], rawOff: [] };
  // As carefully as ours: what was there stays until all is on the disk. To remove it first would save the machine looking for memory, too.
  const copyBack = async (round: number) =>
    seconds(async () => {
      await must(['qemu-img', 'convert', '-f', 'qcow2', '-O', format, saved(round), `${back}.new`]);
      await must(['sync', `${back}.new`]);
      await rename(`${back}.new`, back);
    });
  const still: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `vm-${round}`;
    times.ours.push(await seconds(() => backUp(bench, name, MACHINE, CHAIN)));
    await changeOnePercent(bench);
    for (const kind of ['changed', 'same'] as const) {
      times[kind].push(await seconds(() => backUp(bench, `${name}-${kind}`, MACHINE, CHAIN)));
      const { parts = [] } = (await bench.client.get(Backup, ref(`${name}-${kind}`))).status ?? {};
      if (parts[0]?.bitmap !== 'Used') throw new Error(`all of it was copied: ${parts[0]?.bitmap}`);
    }
    still.push((await bench.client.get(Backup, ref(name))).status?.stillMilliseconds ?? 0);
    const options = ['-O', 'qcow2', '-c', '-o', 'compression_type=zstd'];
    times.hand.push(
      await seconds(async () => {
        await must(['qemu-img', 'convert', '-U', '-f', format, ...options, disk, saved(round)]);
        await must(['sync', saved(round)]);
      }),
    );
    times.back.push(await seconds(() => restore(bench, name, MACHINE)));
    times.raw.push(await copyBack(round));
  }
  // A machine that is off has nothing to be shut down or started: what is left is the restore.
  await halt(bench);
  for (let round = 0; round < ROUNDS; round += 1) {
    times.backOff.push(await seconds(() => restore(bench, `vm-${round}`, MACHINE, `off-${round}`)));
    times.rawOff.push(await copyBack(round));
  }
  const { diskMib, judged } = bench.sizes;
  return [
    compared(bench, `machine of ${diskMib} MiB backed up while it runs`, times.ours, {
      name: 'qemu-img convert to zstd',
      times: times.hand,
    }),
    {
      ...{ name: 'the same with 1 % changed since', ours: median(times.changed), unit: 's' },
      against: { name: 'all of it', value: median(times.ours) },
      ...(judged ? { aim: 0.05 * median(times.ours) } : {}),
    },
    { name: 'the same with nothing changed since', ours: median(times.same), unit: 's', aim: COST_AIM },
    { name: 'machine stands still for it', ours: Math.max(...still), unit: 'ms', aim: 300 },
    compared(bench, 'machine that is off restored in place', times.backOff, {
      name: 'qemu-img convert back',
      times: times.rawOff,
    }),
    {
      ...{ name: 'machine that runs restored in place, stop and start included', unit: 's' },
      ours: median(times.back),
      against: { name: 'qemu-img convert back', value: median(times.raw) },
    },
  ];
}

async function containerFigures(bench: Bench): Promise<Figure[]> {
  const root = await volumeOf(bench, 'rootfs');
  const times = { ours: [] as number[], hand: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    times.ours.push(await seconds(() => backUp(bench, `ct-${round}`, CONTAINER)));
    const saved = join(bench.place, `root-${round}.tar.zst`);
    times.hand.push(
      await seconds(async () => {
        await must(['sh', '-c', `tar -C ${root} --xattrs --acls -cf - . | zstd -q -f -o ${saved}`]);
        await must(['sync', saved]);
      }),
    );
  }
  const against = { name: 'tar | zstd', times: times.hand };
  const { directories } = bench.sizes;
  const what = `container of ${directories * 16} MiB in ${directories * 256} files backed up while it runs`;
  return [compared(bench, what, times.ours, against)];
}

/** Before it is filled. */
async function fewFiles(bench: Bench): Promise<Figure> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    times.push(await seconds(() => backUp(bench, `few-${round}`, CONTAINER)));
  const name = 'container of a few files backed up while it runs';
  return { name, ours: median(times), unit: 's', aim: COST_AIM };
}

/** Writes through the device of the machine, as its guest would, a part here and a part there. */
async function changeOnePercent({ lab, place, sizes }: Bench): Promise<void> {
  const source = join(place, 'changes');
  await writeFile(source, randomBytes(MIB));
  const socket = (await must(['find', layoutOf(lab.dataDirectory).runDirectory, '-name', 'q2'])).trim();
  const monitor = await connectQmp(realWorld({ logLevel: 'error' }), socket, 5_000);
  for (let part = 0; part * 100 < sizes.diskMib; part += 1) {
    const write = `write -s ${source} ${part * 97}M 1M`;
    const line = `qemu-io -d /machine/peripheral/${diskId('root')}/virtio-backend "${write}"`;
    const said = await monitor.execute('human-monitor-command', { 'command-line': line });
    if (said !== '') throw new Error(String(said));
  }
  monitor.close();
}

/** Less time is more throughput: 0.9 of it is 1 / 0.9 of the time. */
function compared(
  { sizes }: Bench,
  name: string,
  ours: readonly number[],
  { name: by, times }: { name: string; times: readonly number[] },
): Figure {
  const value = median(times);
  const aim = sizes.judged ? { aim: value / 0.9 } : {};
  return { name, ours: median(ours), unit: 's', against: { name: by, value }, ...aim };
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
}

const ref = (name: string) => ({ namespace: 'default', name });
const meta = (kind: string, name: string) => ({
  apiVersion: 'vireo.dev/v1alpha1',
  kind,
  metadata: ref(name),
});

async function backUp(
  { client }: Bench,
  name: string,
  guest: BackupSpec['guest'],
  more: Partial<BackupSpec> = {},
): Promise<void> {
  const made = await client.create(Backup, {
    ...meta('Backup', name),
    spec: { guest, pool: 'local', ...more },
  });
  await succeeded(client, Backup, made);
}

async function restore(
  { client }: Bench,
  backup: string,
  guest: BackupSpec['guest'],
  name = backup,
): Promise<void> {
  const spec = { guest, backup, ifRunning: 'Stop' as const };
  await succeeded(client, Restore, await client.create(Restore, { ...meta('Restore', name), spec }));
}

async function halt({ client }: Bench): Promise<void> {
  await client.mergePatch(VirtualMachine, ref(MACHINE.name), { spec: { runStrategy: 'Halted' } });
  await until('the machine is off', async () => {
    const { status } = await client.get(VirtualMachine, ref(MACHINE.name));
    return status?.phase === 'Stopped' && status.lock === undefined;
  });
}

/** Told by a watch: to ask again and again would take from what is measured. */
async function succeeded<T extends KubeObject<unknown, { phase?: string; message?: string }>>(
  client: Client,
  kind: KindRef<T>,
  { metadata: { name, resourceVersion } }: Stored<T>,
): Promise<void> {
  const signal = AbortSignal.timeout(180_000);
  const fieldSelector = `metadata.name=${name}`;
  for await (const event of client.watch(kind, {
    namespace: 'default',
    fieldSelector,
    resourceVersion,
    signal,
  })) {
    if (event.type === 'BOOKMARK') continue;
    const { phase, message } = event.object.status ?? {};
    if (phase === 'Failed') throw new Error(message);
    if (phase === 'Succeeded') return;
  }
  throw new Error(`the watch ended before ${name} was over`);
}

async function volumeOf({ lab }: Bench, name: string): Promise<string> {
  const found = await must(['find', lab.dataDirectory, '-path', '*/volumes/*', '-name', name, '-prune']);
  const [path = ''] = found.split('\n');
  await stat(path);
  return path;
}

async function fillContainer(bench: Bench): Promise<void> {
  const root = await volumeOf(bench, 'rootfs');
  for (let directory = 0; directory < bench.sizes.directories; directory += 1) {
    await mkdir(join(root, 'data', String(directory)), { recursive: true });
    for (let file = 0; file < 256; file += 1) {
      const to = await open(join(root, 'data', String(directory), String(file)), 'w');
      await to.write(Buffer.concat([randomBytes(32_768), Buffer.alloc(32_768, 'half of it')]));
      await to.close();
    }
  }
}
