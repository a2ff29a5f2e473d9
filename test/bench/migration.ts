/** How fast guests move between two hosts, against the same moves done by hand in the same run. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOver, Migration } from '../../src/api/kinds/migration.ts';
import type { World } from '../../src/base/world.ts';
import type { Client } from '../../src/client/contract.ts';
import { connectQmp } from '../../src/drivers/hypervisor/qemu/qmp.ts';
import { connect } from '../../src/main/connect.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { until } from '../e2e/harness/commands.ts';
import { instancesOf } from '../lab/guests.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { FILLED_BYTES, fillerSector } from './filler.ts';
import { downtimeOf, moveByHand, residentBytes, type Timing } from './handMove.ts';
import { type Figure, median } from './measure.ts';

const MIB = 2 ** 20;
const ROUNDS = 3;

type Bench = { lab: Lab; client: Client; world: World; images: string };

/** A machine of the bench: what its memory and its disk hold. */
type Case = { name: string; memory: string; filledBytes: number; diskMib: number };

const LIVE: Case = { name: 'live', memory: '1Gi', filledBytes: FILLED_BYTES, diskMib: 16 };
const DISK: Case = { name: 'disk', memory: '64Mi', filledBytes: 0, diskMib: 768 };

/** Tells each figure as soon as it is there: all of it takes some minutes. `only`: some of `live`, `disk`, `container`; empty: all. */
export async function benchMigration(
  tell: (figures: readonly Figure[]) => void,
  only: readonly string[],
): Promise<void> {
  const isWanted = (part: string) => only.length === 0 || only.includes(part);
  const directory = join(tmpdir(), 'vireo-bench-move');
  const images = `${directory}-images`;
  const world = realWorld({ logLevel: 'error' });
  const lab = openLab({ name: 'bnch', directory, network: 219, images });
  await lab.down();
  try {
    await mkdir(images, { recursive: true });
    for (const { name, diskMib } of [LIVE, DISK])
      await writeImage(join(images, `${name}.raw`), name, diskMib);
    await lab.up(['a', 'b']);
    const client = await connect(lab.kubeconfig, 'bench', world);
    const bench = { lab, client, world, images };
    await lab.apply(foundations(images));
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
    if (isWanted('live')) tell(liveFigures(await compare(bench, LIVE)));
    if (isWanted('disk')) tell(diskFigures(await compare(bench, DISK)));
    if (isWanted('container')) tell([await benchContainer(bench)]);
    await client.close();
  } finally {
    await lab.down();
    await rm(images, { recursive: true, force: true });
  }
}

/** Boots into the filler when it is for memory; what follows is random, as data of guests is. */
async function writeImage(path: string, name: string, mib: number): Promise<void> {
  const file = await open(path, 'w');
  for (let written = 0; written < mib; written += 1) await file.write(randomBytes(MIB));
  await file.write(name === LIVE.name ? fillerSector() : Buffer.alloc(512), 0, 512, 0);
  await file.close();
}

function foundations(images: string): string {
  const image = (name: string) => `
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: ${name}}
spec: {kind: Disk, pool: local, source: {path: {path: ${join(images, `${name}.raw`)}}}}`;
  return `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
${[LIVE, DISK].map(({ name }) => image(name)).join('')}
`;
}

type Compared = { ours: Timing[]; hand: Timing[] };

/** In turn, so that what else this machine does falls on both. */
async function compare(bench: Bench, what: Case): Promise<Compared> {
  const ours: Timing[] = [];
  const hand: Timing[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { timing, argv } = await moveByVireo(bench, what, round);
    ours.push(timing);
    const image = join(bench.images, `${what.name}.raw`);
    hand.push(await moveByHand(bench, { argv, image, filledBytes: what.filledBytes }));
  }
  return { ours, hand };
}

async function moveByVireo(
  { lab, client, world }: Bench,
  { name, memory, filledBytes }: Case,
  round: number,
): Promise<{ timing: Timing; argv: string[] }> {
  await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: ${name}, namespace: default}
spec:
  memory: {size: ${memory}}
  display: None
  disks: [{name: root, pool: local, source: {image: {name: ${name}}}}]
  shutdown: {timeoutSeconds: 1}
`);
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', `vm/${name}`);
  const { status } = await lab.get<{ status: { uuid: string; placement: { host: string } } }>('vm', name);
  const at = status.placement.host;
  const [source] = await instancesOf(lab, status.uuid);
  if (source === undefined) throw new Error(`${name} does not run`);
  await until(
    'its memory is filled',
    async () => (await residentBytes(source.pid)) >= filledBytes,
    120_000,
    50,
  );
  const argv = (await readFile(`/proc/${source.pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);

  const begun = performance.now();
  const move = await client.create(Migration, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Migration',
    metadata: { name: `${name}-${round}`, namespace: 'default' },
    spec: { guest: { kind: 'VirtualMachine', name }, targetHost: at === 'a' ? 'b' : 'a', type: 'Live' },
  });
  const downtime = watchDowntime({ lab, world }, status.uuid, source.pid, argv);
  const over = await until(
    'it has moved',
    async () => {
      const now = await client.get(Migration, move.metadata);
      return isOver(now) && now;
    },
    120_000,
    // How long it took stands in its status; whoever asks more often takes part in what is measured.
    1_000,
  );
  if (over.status?.phase !== 'Succeeded') throw new Error(`${name} did not move: ${over.status?.message}`);
  const timing = {
    totalMs: over.status.totalMilliseconds ?? performance.now() - begun,
    downtimeMs: await downtime,
  };
  await lab.kubectl('delete', 'vm', name, '--wait');
  return { timing, argv };
}

/** By the events of both QEMUs, as it is measured by hand; their monitors lie in the hosts' own file systems. */
async function watchDowntime(
  { lab, world }: Pick<Bench, 'lab' | 'world'>,
  uuid: string,
  pid: number,
  argv: readonly string[],
): Promise<number> {
  const socket = /path=(\/run\/vireo\/[^,]+\/q2),/.exec(argv.join(' '))?.[1] ?? '';
  const source = await connectQmp(world, `/proc/${pid}/root${socket}`, 5_000);
  const target = await until(
    'the target waits',
    async () => {
      const other = (await instancesOf(lab, uuid)).find((instance) => instance.pid !== pid);
      if (other === undefined) return undefined;
      const command = (await readFile(`/proc/${other.pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
      const path = /path=(\/run\/vireo\/[^,]+\/q2),/.exec(command)?.[1] ?? '';
      return connectQmp(world, `/proc/${other.pid}/root${path}`, 5_000).catch(() => undefined);
    },
    60_000,
    20,
  );
  try {
    return await downtimeOf(source, target);
  } finally {
    source.close();
    target.close();
  }
}

const of = (timings: readonly Timing[], pick: (timing: Timing) => number) => median(timings.map(pick));

function liveFigures({ ours, hand }: Compared): Figure[] {
  const [total, down] = [(one: Timing) => one.totalMs, (one: Timing) => one.downtimeMs];
  const by = (pick: (timing: Timing) => number) => ({ name: 'by hand over QMP', value: of(hand, pick) });
  return [
    {
      name: 'live move of 1 GiB, 895 MiB of it touched: in all',
      ...{ ours: of(ours, total), unit: 'ms', against: by(total), aim: 1.15 * by(total).value },
    },
    {
      name: 'live move of 1 GiB: stands still',
      ...{ ours: of(ours, down), unit: 'ms', against: by(down), aim: 1.2 * by(down).value + 20 },
    },
  ];
}

/** Less time is more throughput: 0.9 of it is 1 / 0.9 of the time. */
function diskFigures({ ours, hand }: Compared): Figure[] {
  const pick = ({ totalMs }: Timing) => totalMs;
  const by = { name: 'raw NBD mirror and migrate', value: of(hand, pick) };
  return [
    {
      name: `live move with a local disk of ${DISK.diskMib} MiB: in all`,
      ...{ ours: of(ours, pick), unit: 'ms', against: by, aim: by.value / 0.9 },
    },
  ];
}

/** A root of 1 GiB, of which a hundredth changes while it is copied the first time. */
async function benchContainer({ lab, client }: Bench): Promise<Figure> {
  await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: big, namespace: default}
spec: {image: busybox, rootfs: {pool: local}}
`);
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'ct/big');
  const { status } = await lab.get<{ status: { placement: { host: string } } }>('ct', 'big');
  const at = status.placement.host;
  const volumes = join(lab.host(at).disk, 'agent', 'pools', 'local', 'volumes');
  const [volume] = await readdir(volumes);
  const root = join(volumes, volume ?? '', 'rootfs');
  const fill = async (index: number) => {
    const file = await open(join(root, `data-${index}`), 'w');
    await file.write(randomBytes(4 * MIB));
    await file.close();
  };
  for (let index = 0; index < 256; index += 1) await fill(index);
  const move = await client.create(Migration, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Migration',
    metadata: { name: 'big-0', namespace: 'default' },
    spec: { guest: { kind: 'Container', name: 'big' }, targetHost: at === 'a' ? 'b' : 'a' },
  });
  const phase = async () => (await client.get(Migration, move.metadata)).status;
  await until('it is copied', async () => (await phase())?.target?.state === 'Preparing', 60_000, 10);
  for (const index of [7, 70, 170]) await fill(index);
  const over = await until(
    'it has moved',
    async () => {
      const now = await phase();
      return now?.completedAt !== undefined && now;
    },
    180_000,
    50,
  );
  if (over.phase !== 'Succeeded') throw new Error(`the container did not move: ${over.message}`);
  return {
    name: 'container with 1 GiB, 1 % changed meanwhile: is off',
    ours: (over.downtimeMilliseconds ?? Number.NaN) / 1_000,
    unit: 's',
    aim: 2,
  };
}
