/** Who a process is: read from /proc, because the kernel uses a pid again once its process is gone. */
import { readFile } from 'node:fs/promises';
import type { ProcessIdentity } from '../../base/processes.ts';

/** A zombie (Z) or a process being removed (X) runs no instruction any more: proc(5), /proc/pid/stat field 3. */
const DEAD_STATES = new Set(['Z', 'X', 'x']);

/** State and start time (field 22) of a line of /proc/PID/stat; the command may hold spaces and brackets. */
export function parseStat(line: string): { state: string; startTicks: number } | undefined {
  const fields = line
    .slice(line.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/);
  const state = fields[0];
  const startTicks = Number(fields[19]);
  if (state === undefined || !Number.isSafeInteger(startTicks)) return undefined;
  return { state, startTicks };
}

async function readStat(pid: number): Promise<{ state: string; startTicks: number } | undefined> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return parseStat(await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ''));
}

export type Identities = {
  /** The identity of a live process, or undefined. */
  identify(pid: number): Promise<ProcessIdentity | undefined>;
  /** The identity of a child just started, even when it has ended since; startTicks 0 matches no process. */
  identifyChild(pid: number): Promise<ProcessIdentity>;
};

/** Identities on this boot of this machine. */
export function createIdentities(): Identities {
  let bootId: Promise<string> | undefined;
  const readBootId = (): Promise<string> => {
    bootId ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((text) => text.trim());
    return bootId;
  };
  return {
    identify: async (pid) => {
      const found = await readStat(pid);
      if (found === undefined || DEAD_STATES.has(found.state)) return undefined;
      return { pid, startTicks: found.startTicks, bootId: await readBootId() };
    },
    identifyChild: async (pid) => {
      const found = await readStat(pid);
      return { pid, startTicks: found?.startTicks ?? 0, bootId: await readBootId() };
    },
  };
}
