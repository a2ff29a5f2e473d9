/**
 * Who a process is: read from /proc, because the kernel uses a pid again once its process is gone. The kernel answers in microseconds: a
 * thread to ask it from would cost ten times that.
 */
import { readFileSync } from 'node:fs';
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

function readStat(pid: number): { state: string; startTicks: number } | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

export type Identities = {
  /** The identity of a live process, or undefined. */
  identify(pid: number): Promise<ProcessIdentity | undefined>;
  /** The identity of a child just started, even when it has ended since; startTicks 0 matches no process. */
  identifyChild(pid: number): Promise<ProcessIdentity>;
};

/** Identities on this boot of this machine. */
export function createIdentities(): Identities {
  let bootId: string | undefined;
  const readBootId = (): string => {
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return bootId;
  };
  return {
    identify: async (pid) => {
      const found = readStat(pid);
      if (found === undefined || DEAD_STATES.has(found.state)) return undefined;
      return { pid, startTicks: found.startTicks, bootId: readBootId() };
    },
    identifyChild: async (pid) => {
      const found = readStat(pid);
      return { pid, startTicks: found?.startTicks ?? 0, bootId: readBootId() };
    },
  };
}
