/**
 * Disks that are on one host only: mirrored block by block to an export on the target while the guest writes on, the last blocks while it
 * stands still. https://www.qemu.org/docs/master/interop/live-block-operations.html
 */
import type { Clock } from '../../../../base/clock.ts';
import { ReasonedError } from '../../../../base/outcome.ts';
import type { SendOptions, TransferPlace } from '../../contract.ts';
import { formatNode, throttleNode } from '../plan/ids.ts';
import { type QmpConnection, QmpError } from '../qmp.ts';
import { tlsOf, unlessRefused } from './channel.ts';
import { type MirrorFacts, mirrorFacts } from './facts.ts';

export const diskJobPrefix = 'move-';
/** Node names have 31 characters at the most; the disk's own format node is within that, and this one is as long. */
const remoteNode = (disk: string): string => formatNode(disk).replace(/^disk/, 'move');
const jobOf = (disk: string): string => `${diskJobPrefix}${disk}`;
/** The guest stands still between two looks, milliseconds. */
const drainLookMs = 1;
/** What is left of a mirror when the guest stands still is written within this, or the move is called off. */
const drainMs = 120_000;
/** A mirror over a live link ends by its cancelling well within this, milliseconds. */
const yankAfterMs = 2_000;

type Disks = NonNullable<TransferPlace['disks']>;

/** Opens the target's exports and begins to copy; what is under way already goes on. */
export async function beginMirrors(
  monitor: QmpConnection,
  place: TransferPlace,
  { tls, bytesPerSecond }: Pick<SendOptions, 'tls' | 'bytesPerSecond'>,
): Promise<void> {
  const known = new Set((await mirrorFacts(monitor)).map(({ job }) => job));
  for (const [disk, name] of Object.entries(place.disks?.exports ?? {})) {
    if (known.has(jobOf(disk))) continue;
    await unlessRefused(monitor.execute('blockdev-del', { 'node-name': remoteNode(disk) }));
    await monitor.execute('blockdev-add', remote(place, place.disks, disk, name, tls));
    await monitor.execute('blockdev-mirror', {
      'job-id': jobOf(disk),
      // The node on top: only its writes can be mirrored.
      device: throttleNode(disk),
      target: remoteNode(disk),
      sync: 'full',
      // Its end and its error are kept until we have seen them.
      'auto-dismiss': false,
      ...(bytesPerSecond === undefined ? {} : { speed: bytesPerSecond }),
    });
  }
}

function remote(
  { address }: TransferPlace,
  disks: Disks | undefined,
  disk: string,
  name: string,
  tls: SendOptions['tls'],
): Readonly<Record<string, unknown>> {
  return {
    driver: 'nbd',
    'node-name': remoteNode(disk),
    server: { type: 'inet', host: address, port: String(disks?.port ?? 0) },
    export: name,
    ...tlsOf(tls, 'client'),
  };
}

/** From QEMU 8.2 on a mirror that has caught up makes the guest wait for each write, so that it cannot fall behind again. */
export async function keepUp(monitor: QmpConnection, jobs: readonly string[]): Promise<void> {
  for (const id of jobs) {
    const change = { id, type: 'mirror', 'copy-mode': 'write-blocking' };
    await unlessRefused(monitor.execute('block-job-change', change));
  }
}

/** The guest stands still: ends all mirrors, which are as `seen`, once both sides are equal. Throws ReasonedError DiskCopyFailed. */
export async function completeMirrors(
  monitor: QmpConnection,
  seen: readonly MirrorFacts[],
  clock: Clock,
): Promise<void> {
  for (const { job, state } of seen) {
    // Cancelling a mirror that is ready, without force, is its orderly end: the guest stays on its own disk.
    if (state === 'Ready') await unlessRefused(monitor.execute('block-job-cancel', { device: job }));
  }
  if (seen.length === 0) return;
  const until = clock.monotonic() + drainMs;
  for (;;) {
    const mirrors = await mirrorFacts(monitor);
    const failed = mirrors.find(({ state }) => state === 'Failed');
    if (failed !== undefined) throw copyFailed(failed.error);
    if (mirrors.every(({ state }) => state === 'Done')) return;
    if (clock.monotonic() > until) throw copyFailed('the last blocks were not written in time');
    await clock.sleep(drainLookMs);
  }
}

/** The error of a mirror that ended early. */
export function copyFailed(cause: string | undefined): ReasonedError {
  return new ReasonedError(
    'DiskCopyFailed',
    `a disk could not be copied: ${cause ?? 'the mirror ended early'}`,
  );
}

/**
 * Ends mirrors at once, whole or not, and lets go of the target's exports. Over a link that is dead a cancelled mirror waits for its last
 * writes as long as TCP does: after a moment its connections are shut down (QMP `yank`).
 */
export async function dropMirrors(monitor: QmpConnection, place: TransferPlace, clock: Clock): Promise<void> {
  const until = clock.monotonic() + drainMs;
  const exported = Object.keys(place.disks?.exports ?? {});
  const yankAt = clock.monotonic() + yankAfterMs;
  for (;;) {
    const mirrors = await mirrorFacts(monitor);
    if (mirrors.length === 0) break;
    if (clock.monotonic() > yankAt) await yank(monitor, exported);
    for (const { job, state } of mirrors) {
      const isOver = state === 'Done' || state === 'Failed';
      const command = isOver ? 'job-dismiss' : 'block-job-cancel';
      const values = isOver ? { id: job } : { device: job, force: true };
      await unlessRefused(monitor.execute(command, values));
    }
    if (clock.monotonic() > until) throw new ReasonedError('MirrorStuck', 'a mirror of a disk does not end');
    await clock.sleep(5);
  }
  for (const disk of exported) {
    await unlessRefused(monitor.execute('blockdev-del', { 'node-name': remoteNode(disk) }));
  }
}

/** One by one: a list with a node in it that has gone meanwhile is refused as a whole. */
async function yank(monitor: QmpConnection, disks: readonly string[]): Promise<void> {
  for (const disk of disks) {
    const instances = [{ type: 'block-node', 'node-name': remoteNode(disk) }];
    await unlessRefused(monitor.execute('yank', { instances }));
  }
}

/** The limit of each mirror; 0 takes it away. */
export async function limitMirrors(
  monitor: QmpConnection,
  bytesPerSecond: number | undefined,
): Promise<void> {
  for (const { job, state } of await mirrorFacts(monitor)) {
    if (state === 'Done' || state === 'Failed') continue;
    const values = { device: job, speed: bytesPerSecond ?? 0 };
    await monitor.execute('block-job-set-speed', values).catch((error: unknown) => {
      if (!(error instanceof QmpError)) throw error;
    });
  }
}
