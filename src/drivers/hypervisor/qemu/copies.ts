/**
 * Copies of a running machine's disks as they were at one moment, or of what changed since an earlier one: QEMU saves what the guest is about to
 * overwrite first (copy before write). https://www.qemu.org/docs/master/interop/live-block-operations.html
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type { CopyBegun, DiskCopy, GuestCopies } from '../contract.ts';
import type { QemuContext } from './context.ts';
import { lookStanding } from './look.ts';
import { begunBy, bitmapName, type Marks, marking, marksOf, removeMarks } from './marks.ts';
import { formatNode, throttleNode } from './plan/ids.ts';
import { type QmpConnection, QmpError } from './qmp.ts';
import { unlessRefused } from './transfer/channel.ts';

const jobPrefix = 'backup-';
const nodePrefix = 'back';
/** As long as the disk's own node, so within QEMU's 31 characters. */
const targetNode = (disk: string): string => formatNode(disk).replace(/^disk/, nodePrefix);
/** A cancelled job waits for the writes that are on their way. */
const endMs = 120_000;

type QueryJob = { id: string; status: string; error?: string } & Record<
  'current-progress' | 'total-progress',
  number
>;

/** The copies that QEMU makes. */
export function createGuestCopies(context: QemuContext): GuestCopies {
  const { clock } = context.world;
  return {
    begin: async (guest, disks) => {
      const seen = await lookStanding(context, guest);
      if (seen === undefined) throw copyFailed(`${guest.name} does not run`);
      try {
        const { monitor } = seen;
        const isMarked = disks.some(({ mark }) => mark !== undefined);
        const marks: Marks = isMarked ? await marksOf(monitor) : new Map();
        const begun = disks.map((disk) => begunBy(marks.get(formatNode(disk.name)), disk));
        // What an earlier attempt marked under this name began at another moment.
        const again = new Set(disks.flatMap(({ mark }) => mark ?? []));
        await removeMarks(monitor, marks, ({ name }) => again.has(name));
        for (const { name, path } of disks) await monitor.execute('blockdev-add', target(name, path));
        const actions = disks.flatMap((disk, index) => [
          ...marking(marks.get(formatNode(disk.name)), disk),
          { type: 'blockdev-backup', data: job(disk, begun[index]) },
        ]);
        await monitor.execute('transaction', { actions });
        return begun;
      } catch (error) {
        if (error instanceof QmpError) throw copyFailed(error.message);
        throw error;
      }
    },
    progress: async (guest) => {
      const seen = await lookStanding(context, guest);
      if (seen === undefined) throw copyFailed(`${guest.name} went off meanwhile`);
      const jobs = await jobsOf(seen.monitor);
      const failed = jobs.find(({ error }) => error !== undefined);
      if (failed !== undefined) throw copyFailed(failed.error ?? '');
      if (jobs.length === 0) throw copyFailed('QEMU does not know of it any more');
      return {
        done: jobs.every(({ status }) => status === 'concluded'),
        copiedBytes: sum(jobs.map((each) => each['current-progress'])),
        totalBytes: sum(jobs.map((each) => each['total-progress'])),
      };
    },
    end: async (guest) => {
      const seen = await lookStanding(context, guest);
      if (seen === undefined) return;
      const { monitor } = seen;
      const until = clock.monotonic() + endMs;
      for (;;) {
        const jobs = await jobsOf(monitor);
        if (jobs.length === 0) break;
        if (clock.monotonic() > until) throw copyFailed('QEMU does not end it');
        for (const { id, status } of jobs) await unlessRefused(endJob(monitor, id, status));
        // One that is dismissed has gone at once.
        if (jobs.some(({ status }) => status !== 'concluded')) await clock.sleep(5);
      }
      for (const node of await targetsOf(monitor)) await unlessRefused(drop(monitor, node));
    },
    keepMarks: async (guest, names) => {
      const seen = await lookStanding(context, guest);
      if (seen === undefined) return;
      const { monitor } = seen;
      await removeMarks(monitor, await marksOf(monitor), ({ name }) => !names.includes(name));
    },
  };
}

/** Whoever shows the archive flushes it, while its sum is taken: QEMU need not wait for the disk before it closes the file. */
function target(disk: string, filename: string): Record<string, unknown> {
  const file = { driver: 'file', filename, cache: { 'no-flush': true } };
  return { driver: 'qcow2', 'node-name': targetNode(disk), file };
}

/**
 * On top of the disk every write of the guest comes by; what was marked is known to the node below, where all but the limits comes by too. Marks
 * stay as they are: until what is copied is whole and shown, the earlier copy is all there is. Errors of the target end the job. Until they have, a
 * write of the guest that would overwrite what is not saved fails too, which stops the machine (`werror` of its disks): it goes on without the job.
 */
function job({ name, compress, bytesPerSecond }: DiskCopy, begun: CopyBegun | undefined) {
  const since = begun?.since;
  return {
    'job-id': `${jobPrefix}${name}`,
    ...(since === undefined
      ? { device: throttleNode(name), sync: 'full' }
      : { device: formatNode(name), sync: 'bitmap', bitmap: bitmapName(since), 'bitmap-mode': 'never' }),
    target: targetNode(name),
    compress,
    ...(bytesPerSecond === undefined ? {} : { speed: bytesPerSecond }),
    'on-target-error': 'report',
    // Its end and its error are kept until we have seen them.
    'auto-dismiss': false,
  };
}

async function jobsOf(monitor: QmpConnection): Promise<QueryJob[]> {
  const jobs = (await monitor.execute('query-jobs')) as QueryJob[];
  return jobs.filter(({ id }) => id.startsWith(jobPrefix));
}

function endJob(monitor: QmpConnection, id: string, status: string): Promise<unknown> {
  return status === 'concluded'
    ? monitor.execute('job-dismiss', { id })
    : monitor.execute('job-cancel', { id });
}

/** One of which QEMU has found that its qcow2 is broken goes at once: while it is there QEMU tells of no node at all. */
async function targetsOf(monitor: QmpConnection): Promise<string[]> {
  for (;;) {
    try {
      const nodes = (await monitor.execute('query-named-block-nodes', { flat: true })) as {
        'node-name': string;
      }[];
      return nodes.map((node) => node['node-name']).filter((name) => name.startsWith(`${nodePrefix}-`));
    } catch (error) {
      const [, broken] =
        /Block device (\S+) is ejected/.exec(error instanceof QmpError ? error.message : '') ?? [];
      if (broken?.startsWith(`${nodePrefix}-`) !== true) throw error;
      await drop(monitor, broken);
    }
  }
}

function drop(monitor: QmpConnection, node: string): Promise<unknown> {
  return monitor.execute('blockdev-del', { 'node-name': node });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function copyFailed(why: string): ReasonedError {
  return new ReasonedError('CopyFailed', `the disks of the running guest could not be copied: ${why}`);
}
