/** Limits of CPU time, memory, swap and processes as the control files of cgroup v1 and v2 spell them. */
import type { Files } from '../../base/files.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { CgroupLimits, CgroupSetting } from './contract.ts';
import { readControl, writeControl } from './kernelfile.ts';

/** Where each limited controller's files of one group are; on v2 all three are the same directory. */
export type LimitDirectories = { cpu?: string; memory?: string; pids?: string };

/** How one version of the kernel interface sets and tells limits. */
export type LimitInterface = {
  /** The file whose presence says that swap is accounted. */
  swapFile: string;
  settings(limits: CgroupLimits, accountsSwap: boolean): CgroupSetting[];
  set(files: Files, at: LimitDirectories, limits: CgroupLimits): Promise<void>;
  get(files: Files, at: LimitDirectories): Promise<CgroupLimits>;
};

const periodUs = 100_000;
/** v1 says "unlimited" as the largest page count in bytes, just below 2^63. */
const v1UnlimitedBytes = 2 ** 62;

/** The kernel's interface files for v1: https://docs.kernel.org/admin-guide/cgroup-v1/memory.html */
export const v1Limits: LimitInterface = {
  swapFile: 'memory.memsw.limit_in_bytes',
  settings: ({ cpuLimit, memoryBytes, swapBytes, pids }, accountsSwap) => [
    ...setting('cpu.cfs_period_us', cpuLimit && periodUs),
    ...setting('cpu.cfs_quota_us', cpuLimit && quotaUs(cpuLimit)),
    ...setting('memory.limit_in_bytes', memoryBytes),
    ...setting('memory.memsw.limit_in_bytes', accountsSwap ? sumOf(memoryBytes, swapBytes) : undefined),
    ...setting('pids.max', pids),
  ],
  set: async (files, at, limits) => {
    const quota = limits.cpuLimit === undefined ? '-1' : String(quotaUs(limits.cpuLimit));
    if (limits.cpuLimit !== undefined) {
      await put(files, at.cpu, 'cpu.cfs_period_us', String(periodUs), true);
    }
    await put(files, at.cpu, 'cpu.cfs_quota_us', quota, limits.cpuLimit !== undefined);
    await setV1Memory(files, at.memory, limits);
    await put(files, at.pids, 'pids.max', String(limits.pids ?? 'max'), limits.pids !== undefined);
  },
  get: async (files, at) => {
    const quota = await getNumber(files, at.cpu, 'cpu.cfs_quota_us');
    const period = await getNumber(files, at.cpu, 'cpu.cfs_period_us');
    const memory = await getNumber(files, at.memory, 'memory.limit_in_bytes');
    const total = await getNumber(files, at.memory, 'memory.memsw.limit_in_bytes');
    const pids = await getNumber(files, at.pids, 'pids.max');
    const bounded = memory !== undefined && memory < v1UnlimitedBytes;
    return {
      ...(quota !== undefined && quota > 0 && { cpuLimit: quota / (period ?? periodUs) }),
      ...(bounded && { memoryBytes: memory }),
      ...(bounded && total !== undefined && total < v1UnlimitedBytes && { swapBytes: total - memory }),
      ...(pids !== undefined && { pids }),
    };
  },
};

/** The kernel's interface files for v2: https://docs.kernel.org/admin-guide/cgroup-v2.html */
export const v2Limits: LimitInterface = {
  swapFile: 'memory.swap.max',
  settings: ({ cpuLimit, memoryBytes, swapBytes, pids }, accountsSwap) => [
    ...setting('cpu.max', cpuLimit && `${quotaUs(cpuLimit)} ${periodUs}`),
    ...setting('memory.max', memoryBytes),
    ...setting('memory.swap.max', accountsSwap ? swapBytes : undefined),
    ...setting('pids.max', pids),
  ],
  set: async (files, at, limits) => {
    const quota = limits.cpuLimit === undefined ? 'max' : String(quotaUs(limits.cpuLimit));
    await put(files, at.cpu, 'cpu.max', `${quota} ${periodUs}`, limits.cpuLimit !== undefined);
    await refuseBelowUse(files, at.memory, limits.memoryBytes);
    await put(
      files,
      at.memory,
      'memory.max',
      String(limits.memoryBytes ?? 'max'),
      limits.memoryBytes !== undefined,
    );
    await put(files, at.memory, 'memory.swap.max', String(limits.swapBytes ?? 'max'), false);
    await put(files, at.pids, 'pids.max', String(limits.pids ?? 'max'), limits.pids !== undefined);
  },
  get: async (files, at) => {
    const [quota, period] = ((await get(files, at.cpu, 'cpu.max')) ?? 'max').split(' ');
    const memory = await getNumber(files, at.memory, 'memory.max');
    const swap = await getNumber(files, at.memory, 'memory.swap.max');
    const pids = await getNumber(files, at.pids, 'pids.max');
    return {
      ...(quota !== 'max' && { cpuLimit: Number(quota) / Number(period ?? periodUs) }),
      ...(memory !== undefined && { memoryBytes: memory }),
      ...(swap !== undefined && { swapBytes: swap }),
      ...(pids !== undefined && { pids }),
    };
  },
};

function setting(file: string, value: string | number | undefined): CgroupSetting[] {
  return value === undefined ? [] : [{ file, value: String(value) }];
}

function sumOf(memoryBytes: number | undefined, swapBytes: number | undefined): number | undefined {
  return memoryBytes === undefined || swapBytes === undefined ? undefined : memoryBytes + swapBytes;
}

/** CPUs' worth of time as microseconds per period; the kernel refuses less than 1 ms. */
function quotaUs(cpuLimit: number): number {
  return Math.max(1000, Math.round(cpuLimit * periodUs));
}

/** The kernel refuses memory above memory+swap at every moment: when memory+swap grows it goes first, when it shrinks it goes last. */
async function setV1Memory(files: Files, directory: string | undefined, limits: CgroupLimits): Promise<void> {
  const { memoryBytes, swapBytes } = limits;
  const total = sumOf(memoryBytes, swapBytes);
  const memory = () =>
    put(files, directory, 'memory.limit_in_bytes', String(memoryBytes ?? -1), memoryBytes !== undefined);
  const withSwap = () => put(files, directory, 'memory.memsw.limit_in_bytes', String(total ?? -1), false);
  const now = (await getNumber(files, directory, 'memory.memsw.limit_in_bytes')) ?? 0;
  const grows = (total ?? Number.POSITIVE_INFINITY) >= now;
  for (const step of grows ? [withSwap, memory] : [memory, withSwap]) await step();
}

/** v1 answers EBUSY to a memory limit below what is in use; v2 would kill processes of the guest instead, so we refuse for it. */
async function refuseBelowUse(
  files: Files,
  directory: string | undefined,
  memoryBytes?: number,
): Promise<void> {
  const stat = memoryBytes === undefined ? undefined : await get(files, directory, 'memory.stat');
  if (memoryBytes === undefined || stat === undefined) return;
  const unreclaimable = [...stat.matchAll(/^(?:anon|shmem|kernel) (\d+)$/gm)];
  const used = unreclaimable.reduce((sum, match) => sum + Number(match[1]), 0);
  if (used <= memoryBytes) return;
  throw new ReasonedError(
    'CgroupRefused',
    `${directory}/memory.max: ${used} bytes are in use, ${memoryBytes} wanted`,
  );
}

async function put(
  files: Files,
  directory: string | undefined,
  name: string,
  value: string,
  required: boolean,
): Promise<void> {
  const now = await get(files, directory, name);
  if (now === value) return;
  if (now !== undefined) return writeControl(files, `${directory}/${name}`, value, 'CgroupRefused');
  if (!required) return;
  throw new ReasonedError(
    'CgroupControllerMissing',
    `this host has no ${name} for guests; enable the controller`,
    {
      stalled: true,
    },
  );
}

async function get(files: Files, directory: string | undefined, name: string): Promise<string | undefined> {
  return directory === undefined ? undefined : readControl(files, `${directory}/${name}`);
}

/** The file's number; undefined for `max` and where there is no such file. */
async function getNumber(
  files: Files,
  directory: string | undefined,
  name: string,
): Promise<number | undefined> {
  const text = await get(files, directory, name);
  return text === undefined || text === 'max' ? undefined : Number(text);
}
