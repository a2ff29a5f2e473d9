/**
 * The same move by hand: two QEMUs with the command line that Vireo has made, on the same two hosts, with the hosts' certificates, told over
 * QMP what `docs/interop/live-block-operations` and the migration chapter of QEMU's manual say.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '../../src/base/world.ts';
import { connectQmp, type QmpConnection } from '../../src/drivers/hypervisor/qemu/qmp.ts';
import { must, until } from '../e2e/harness/commands.ts';
import type { Host, Lab } from '../lab/lab.ts';

export type Timing = { totalMs: number; downtimeMs: number };

type Hand = { monitor: QmpConnection; pid: number; end(): Promise<void> };

/** Resident memory of a process, bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** `argv` is that of a machine of Vireo's with one disk `root` and no network; `image` is what its disk was made from. */
export async function moveByHand(
  { lab, world }: { lab: Lab; world: World },
  { argv, image, filledBytes }: { argv: readonly string[]; image: string; filledBytes: number },
): Promise<Timing> {
  const directory = join(lab.directory, 'hand');
  await mkdir(directory, { recursive: true });
  const hands: Hand[] = [];
  const start = async (host: Host, more: readonly string[]) => {
    const hand = await startHand(world, host, join(directory, host.name), argv, more);
    hands.push(hand);
    return hand;
  };
  try {
    const [a, b] = [lab.host('a'), lab.host('b')];
    for (const { name } of [a, b]) await mkdir(join(directory, name), { recursive: true });
    await must(['qemu-img', 'convert', '-O', 'qcow2', image, join(directory, 'a', 'disk.qcow2')]);
    const source = await start(a, []);
    await source.monitor.execute('cont');
    await until(
      'its memory is filled',
      async () => (await residentBytes(source.pid)) >= filledBytes,
      120_000,
      50,
    );

    const { virtualBytes } = await sizeOf(image);
    const begun = performance.now();
    const disk = join(directory, 'b', 'disk.qcow2');
    await must(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, String(virtualBytes)]);
    const target = await start(b, ['-incoming', 'defer']);
    const downtime = downtimeOf(source.monitor, target.monitor);
    const place = await receive(target.monitor, b);
    await send(source.monitor, a, b, place);
    await target.monitor.execute('nbd-server-stop');
    await target.monitor.execute('cont');
    const totalMs = performance.now() - begun;
    return { totalMs, downtimeMs: await downtime };
  } finally {
    for (const hand of hands) await hand.end();
    await rm(directory, { recursive: true, force: true });
  }
}

async function sizeOf(image: string): Promise<{ virtualBytes: number }> {
  const info = JSON.parse(await must(['qemu-img', 'info', '--output=json', image])) as Record<string, number>;
  return { virtualBytes: info['virtual-size'] ?? 0 };
}

/** From the moment the guest stops at one end until it runs at the other, as their QEMUs say it. */
export function downtimeOf(source: QmpConnection, target: QmpConnection): Promise<number> {
  return new Promise((resolve) => {
    let stoppedAt = Number.NaN;
    source.onEvent(({ event }) => {
      if (event === 'STOP') stoppedAt = performance.now();
    });
    target.onEvent(({ event }) => {
      if (event === 'RESUME') resolve(performance.now() - stoppedAt);
    });
  });
}

async function startHand(
  world: World,
  host: Host,
  directory: string,
  argv: readonly string[],
  more: readonly string[],
): Promise<Hand> {
  const own = argv.map((arg) =>
    arg
      .replaceAll(/\/run\/vireo\/[^/]+\/[^/,"]+/g, directory)
      .replaceAll(/\/[^",=]*\/disk\.qcow2/g, join(directory, 'disk.qcow2')),
  );
  const incoming = own.indexOf('-incoming');
  if (incoming !== -1) own.splice(incoming, 2);
  const [program = '', ...args] = await host.inside([...own, ...more]);
  const child = spawn(program, args, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const monitor = await until('its monitor answers', () =>
    connectQmp(world, join(directory, 'q'), 1_000).catch(() => undefined),
  );
  const pid = await until('its process is found', () => processWith(directory));
  return {
    monitor,
    pid,
    end: async () => {
      monitor.close();
      process.kill(pid, 'SIGKILL');
      await ended;
    },
  };
}

async function processWith(directory: string): Promise<number | undefined> {
  const found = await must(['pgrep', '-f', `^[^ ]*qemu-system.*path=${directory}/q,`]).catch(() => '');
  const [pid] = found.trim().split('\n');
  return pid === undefined || pid === '' ? undefined : Number(pid);
}

const MOVE_PORT = 60_100;
const DISK_PORT = 60_101;
const tls = { 'tls-creds': 'tls' } as const;
const pki = (host: Host) => join(host.disk, 'agent', 'pki');
const addressOf = (host: Host) => host.address.split('/')[0] ?? '';

async function certificates(monitor: QmpConnection, host: Host, endpoint: 'client' | 'server') {
  const how = { 'qom-type': 'tls-creds-x509', id: 'tls', dir: pki(host), endpoint, 'verify-peer': true };
  await monitor.execute('object-add', how, { timeoutMs: 60_000 });
}

const capabilities = (...names: string[]) => ({
  capabilities: ['events', ...names].map((capability) => ({ capability, state: true })),
});

async function receive(monitor: QmpConnection, host: Host): Promise<{ address: string }> {
  const address = addressOf(host);
  await certificates(monitor, host, 'server');
  const data = { host: address, port: String(DISK_PORT) };
  await monitor.execute('nbd-server-start', { addr: { type: 'inet', data }, ...tls });
  const disk = { type: 'nbd', id: 'move', 'node-name': 'disk-root', writable: true, name: 'root' };
  await monitor.execute('block-export-add', disk);
  await monitor.execute('migrate-set-capabilities', capabilities('late-block-activate'));
  await monitor.execute('migrate-set-parameters', tls);
  await monitor.execute('migrate-incoming', { uri: `tcp:${address}:${MOVE_PORT}` });
  return { address };
}

async function send(monitor: QmpConnection, from: Host, to: Host, { address }: { address: string }) {
  const job = { 'job-id': 'move-root', device: 'limit-root', target: 'move', sync: 'full' };
  const heard = listen(monitor);
  await certificates(monitor, from, 'client');
  const peer = { ...tls, 'tls-hostname': to.name };
  const server = { type: 'inet', host: address, port: String(DISK_PORT) };
  await monitor.execute('blockdev-add', {
    driver: 'nbd',
    'node-name': 'move',
    server,
    export: 'root',
    ...peer,
  });
  await monitor.execute('blockdev-mirror', job);
  await heard('BLOCK_JOB_READY');
  await monitor.execute('migrate-set-capabilities', capabilities('pause-before-switchover', 'auto-converge'));
  const limits = { 'max-bandwidth': 2 ** 40, 'downtime-limit': 300 };
  await monitor.execute('migrate-set-parameters', { ...limits, ...peer });
  await monitor.execute('migrate', { uri: `tcp:${address}:${MOVE_PORT}` });
  await heard('MIGRATION', 'pre-switchover');
  await monitor.execute('block-job-cancel', { device: 'move-root' });
  await heard('BLOCK_JOB_COMPLETED');
  await monitor.execute('migrate-continue', { state: 'pre-switchover' });
  await heard('MIGRATION', 'completed');
}

/** Waits for events, those that have come already included. */
function listen(monitor: QmpConnection) {
  const seen: string[] = [];
  let wake = () => {};
  monitor.onEvent(({ event, data }) => {
    seen.push(event, `${event} ${data.status}`);
    wake();
  });
  return async (event: string, status?: string) => {
    const wanted = status === undefined ? event : `${event} ${status}`;
    const failed = ['MIGRATION failed', 'BLOCK_JOB_ERROR'];
    while (!seen.includes(wanted)) {
      const error = failed.find((name) => seen.includes(name));
      if (error !== undefined) throw new Error(`by hand: ${error} before ${wanted}`);
      await new Promise<void>((next) => {
        wake = next;
      });
    }
  };
}
