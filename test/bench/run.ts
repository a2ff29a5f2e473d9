/** `npm run bench`: every figure beside what it is compared with, measured in the same run. Needs root, QEMU, LXC and kubectl. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Container } from '../../src/api/kinds/container.ts';
import type { Client } from '../../src/client/contract.ts';
import { connect } from '../../src/main/connect.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { type Lab, startLab } from '../e2e/harness/lab.ts';
import { benchApiserver } from './apiserver.ts';
import { benchBackup, LARGE, SMALL } from './backup.ts';
import { BASE, benchContainer, benchHundred, benchMachine, container } from './guests.ts';
import { benchHa } from './ha.ts';
import { cpuSeconds, type Figure, median, printFigures, processTree, pssBytes } from './measure.ts';
import { benchMigration } from './migration.ts';
import { benchPlacement } from './placement.ts';
import { benchSchedules } from './schedules.ts';
import { benchStill, mountBtrfs } from './still.ts';

const IDLE_SECONDS = 20;
const { values: flags, positionals: only } = parseArgs({
  allowPositionals: true,
  options: { against: { type: 'string' }, command: { type: 'string' }, objects: { type: 'string' } },
});

async function withLab(args: string[], work: (lab: Lab) => Promise<Figure[]>): Promise<void> {
  const lab = await startLab({ name: 'bench', args });
  try {
    printFigures(await work(lab));
  } finally {
    await lab.dispose();
  }
}

async function real(lab: Lab): Promise<Figure[]> {
  const client = await connect(lab.kubeconfig, 'bench', realWorld({ logLevel: 'error' }));
  await lab.apply(BASE);
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'img,vhost', '--all');
  const figures = [
    ...(await benchMachine(lab, client)),
    ...(await benchContainer(lab, client)),
    ...(await benchHundred(lab)),
  ];
  await client.close();
  return figures;
}

async function startUp(): Promise<void> {
  const api: number[] = [];
  const whole: number[] = [];
  let pss = 0;
  for (let round = 0; round < 5; round += 1) {
    const lab = await startLab({ name: 'bench' });
    api.push(lab.apiAfterMs / 1000);
    whole.push(lab.readyAfterMs / 1000);
    if (round === 0) {
      await new Promise((settle) => setTimeout(settle, 5_000));
      pss = await pssBytes(await processTree(lab.pid));
    }
    await lab.dispose();
  }
  printFigures([
    { name: 'vireo up to a ready API', ours: median(api), unit: 's', aim: 1.5 },
    { name: 'vireo up to ready, host looked at (KVM tried)', ours: median(whole), unit: 's' },
    { name: 'memory of all its processes when idle (PSS)', ours: pss / 2 ** 20, unit: 'MiB', aim: 220 },
  ]);
}

async function simulated(lab: Lab): Promise<Figure[]> {
  await lab.apply(BASE);
  await applyMany(lab, 'idle', 100);
  await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'ct', '--all');
  // What follows a burst is no idling: events are written for some seconds, and memory is given back for most of a minute.
  await new Promise((settle) => setTimeout(settle, 60_000));
  const pids = await processTree(lab.pid);
  const before = await cpuSeconds(pids);
  await new Promise((settle) => setTimeout(settle, IDLE_SECONDS * 1000));
  const share = ((await cpuSeconds(pids)) - before) / IDLE_SECONDS;

  const client = await connect(lab.kubeconfig, 'bench', realWorld({ logLevel: 'error' }));
  const started = performance.now();
  await Promise.all([applyMany(lab, 'many', 1_000), allReady(client, 1_100)]);
  const took = (performance.now() - started) / 1000;
  await client.close();
  return [
    { name: 'idle CPU with 100 simulated guests', ours: share * 100, unit: '%', aim: 1 },
    { name: '1,000 simulated guests from one file, all Ready', ours: took, unit: 's', aim: 30 },
  ];
}

async function applyMany(lab: Lab, name: string, count: number): Promise<void> {
  const file = join(lab.dataDirectory, `${name}.json`);
  const items = Array.from({ length: count }, (_, index) => container(`${name}-${index}`));
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await lab.kubectl('apply', '-f', file);
}

/** Watches until so many containers are Ready: asking for all of them again and again would be a load of its own. */
async function allReady(client: Client, count: number): Promise<void> {
  const ready = new Set<string>();
  const look = ({ metadata, status }: Container) => {
    if (status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
      ready.add(metadata.name);
    else ready.delete(metadata.name);
    return ready.size >= count;
  };
  const { items, resourceVersion } = await client.list(Container);
  if (items.map(look).at(-1) === true) return;
  for await (const event of client.watch(Container, {
    resourceVersion,
    signal: AbortSignal.timeout(180_000),
  })) {
    if (event.type !== 'BOOKMARK' && look(event.object)) return;
  }
  throw new Error('the watch ended before all were Ready');
}

// First, while this process is still small.
if (only.length === 0 || only.includes('ha')) printFigures(await benchHa());
if (only.length === 0 || only.includes('placement')) printFigures(await benchPlacement());
if (only.length === 0 || only.includes('schedules'))
  printFigures(await benchSchedules(only.filter((part) => part !== 'schedules')));
if (only.length === 0 || only.includes('migration'))
  await benchMigration(
    printFigures,
    only.filter((part) => part !== 'migration'),
  );
if (only.length === 0 || only.includes('start')) await startUp();
if (only.length === 0 || only.includes('apiserver')) {
  const { against, command, objects } = flags;
  printFigures(
    await benchApiserver({
      parts: only.filter((part) => part !== 'apiserver'),
      ...(against === undefined ? {} : { against }),
      ...(command === undefined ? {} : { command }),
      ...(objects === undefined ? {} : { objects: Number(objects) }),
    }),
  );
}
if (only.length === 0 || only.includes('backup')) {
  const images = await mkdtemp(join(tmpdir(), 'vireo-bench-backup-'));
  const config = join(images, 'agent.yaml');
  await writeFile(config, `imagePaths: [${images}]\n`);
  try {
    const sizes = only.length === 0 ? [SMALL, LARGE] : [only.includes('small') ? SMALL : LARGE];
    const kinds = (['machine', 'container'] as const).filter((kind) => only.includes(kind));
    for (const size of sizes)
      await withLab(['--config', config], (lab) =>
        benchBackup(lab, images, size, kinds.length === 0 ? undefined : kinds),
      );
  } finally {
    await rm(images, { recursive: true, force: true });
  }
}
if (only.length === 0 || only.includes('still')) {
  const place = await mkdtemp(join(tmpdir(), 'vireo-bench-still-'));
  const config = join(place, 'agent.yaml');
  await chmod(place, 0o711);
  await writeFile(config, `imagePaths: [${place}]\npoolPaths: [${place}/btrfs]\n`);
  const unmount = await mountBtrfs(place);
  try {
    await withLab(['--config', config], (lab) => benchStill(lab, place));
  } finally {
    await unmount();
    await rm(place, { recursive: true, force: true });
  }
}
if (only.length === 0 || only.includes('real')) await withLab([], real);
if (only.length === 0 || only.includes('simulated')) await withLab(['--simulate', '3'], simulated);
