/** Figures and how they are printed: medians, and ratios against the raw tool or the aim, side by side in one run. */
import { constants } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export type Figure = {
  name: string;
  ours: number;
  unit: string;
  against?: { name: string; value: number };
  /** At most so much. */
  aim?: number;
  /** At least so much. */
  least?: number;
};

/** One line a figure: ours, what it is compared with, the aim, and whether it is met. */
export function printFigures(figures: readonly Figure[]): void {
  for (const { name, ours, unit, against, aim, least } of figures) {
    const ratio =
      against === undefined
        ? ''
        : `  ${against.name} ${round(against.value)} ${unit}, ratio ${round(ours / against.value)}`;
    const verdict =
      (aim === undefined ? '' : `  aim <= ${round(aim)} ${unit} ${ours <= aim ? 'met' : 'MISSED'}`) +
      (least === undefined ? '' : `  aim >= ${round(least)} ${unit} ${ours >= least ? 'met' : 'MISSED'}`);
    process.stdout.write(`${name.padEnd(52)} ${`${round(ours)} ${unit}`.padStart(12)}${verdict}${ratio}\n`);
  }
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Pids of a process and all below it. */
export async function processTree(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    parents.set(Number(entry), Number(rest[1]));
  }
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}

/** Proportional set size of the processes, bytes (proc(5), smaps_rollup). */
export async function pssBytes(pids: readonly number[]): Promise<number> {
  let total = 0;
  for (const pid of pids) {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
    total += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
  }
  return total;
}

/** CPU seconds the processes have used so far, user and system. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(rest[11] ?? 0) + Number(rest[12] ?? 0);
  }
  return ticks / 100;
}

/** Begins to measure; the returned function gives the share of all processors' time that the hypervisor has kept since (proc_stat(5), steal). */
export async function stealMeter(): Promise<() => Promise<number>> {
  const before = await processorTicks();
  return async () => {
    const after = await processorTicks();
    return (after.stolen - before.stolen) / (after.all - before.all);
  };
}

/** Ticks of all processors since the boot. */
async function processorTicks(): Promise<{ stolen: number; all: number }> {
  const text = await readFile('/proc/stat', 'utf8');
  // user nice system idle iowait irq softirq steal; guest time, which follows, is in user already.
  const ticks = (/^cpu +(.*)$/m.exec(text)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  return { stolen: ticks[7] ?? 0, all: ticks.reduce((sum, value) => sum + value, 0) };
}

/** Begins to write 2 KB durably every 50 ms, as a store commits; the returned function ends that and gives how long each write took, ms. */
export async function flushMeter(): Promise<() => Promise<number[]>> {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-bench-flush-'));
  const path = join(directory, 'file');
  const room = await open(path, 'w');
  await room.write(Buffer.alloc(2 ** 22));
  await room.sync();
  await room.close();
  const handle = await open(path, constants.O_RDWR | constants.O_DSYNC);
  const times: number[] = [];
  let ended = false;
  const writing = (async () => {
    for (let at = 0; !ended; at = (at + 2048) % 2 ** 22) {
      const begun = performance.now();
      await handle.write(Buffer.alloc(2048, 1), 0, 2048, at);
      times.push(performance.now() - begun);
      await new Promise((next) => setTimeout(next, 50));
    }
  })();
  return async () => {
    ended = true;
    await writing;
    await handle.close();
    await rm(directory, { recursive: true });
    return times;
  };
}
