/** What a group has used, as the kernel counts it on cgroup v1 and v2 alike. */
import type { Files } from '../../base/files.ts';
import type { CgroupUsage } from './contract.ts';
import { readControl } from './kernelfile.ts';

/** Where these files of one group are; on v2 both are the same directory. */
export type UsageDirectories = { cpuacct?: string; memory?: string };

/** Undefined where the kernel counts one of the two not, or there is no such group. */
export async function usageV1(
  files: Files,
  { cpuacct, memory }: UsageDirectories,
): Promise<CgroupUsage | undefined> {
  if (cpuacct === undefined || memory === undefined) return undefined;
  const [ns, bytes, stat] = await Promise.all([
    readControl(files, `${cpuacct}/cpuacct.usage`),
    readControl(files, `${memory}/memory.usage_in_bytes`),
    readControl(files, `${memory}/memory.stat`),
  ]);
  return usageOf(numberOf(ns), 1e9, numberOf(bytes), fieldOf(stat, 'total_inactive_file'));
}

export async function usageV2(
  files: Files,
  { memory: directory }: UsageDirectories,
): Promise<CgroupUsage | undefined> {
  if (directory === undefined) return undefined;
  const [cpu, bytes, stat] = await Promise.all([
    readControl(files, `${directory}/cpu.stat`),
    readControl(files, `${directory}/memory.current`),
    readControl(files, `${directory}/memory.stat`),
  ]);
  return usageOf(fieldOf(cpu, 'usage_usec'), 1e6, numberOf(bytes), fieldOf(stat, 'inactive_file'));
}

/** Files that were read long ago are the kernel's to drop: that memory is not needed. */
function usageOf(
  ticks: number | undefined,
  aSecond: number,
  bytes: number | undefined,
  droppable = 0,
): CgroupUsage | undefined {
  if (ticks === undefined || bytes === undefined) return undefined;
  return { cpuSeconds: ticks / aSecond, memoryBytes: Math.max(0, bytes - droppable) };
}

function numberOf(text: string | undefined): number | undefined {
  const number = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : undefined;
}

function fieldOf(text: string | undefined, name: string): number | undefined {
  const line = text?.split('\n').find((one) => one.startsWith(`${name} `));
  return numberOf(line?.slice(name.length + 1));
}
