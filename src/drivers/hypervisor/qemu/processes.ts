/**
 * Which processes run a guest: the recorded one, and those that a crash left without a record. Command lines name each guest's monitor
 * socket, which no other guest of this or another host on this machine has.
 */
import type { Files } from '../../../base/files.ts';
import type { Processes, ProcessIdentity } from '../../../base/processes.ts';
import { optionList } from './plan/options.ts';
import { socketDirectory } from './sockets.ts';

/** A living QEMU of this run directory. */
export type FoundProcess = { id: string; identity: ProcessIdentity };

/** All of them, by looking through /proc. */
export async function findProcesses(
  ports: { files: Files; processes: Processes },
  runDirectory: string,
): Promise<FoundProcess[]> {
  const pids = (await ports.files.list('/proc')).filter((name) => /^\d+$/.test(name));
  const found: FoundProcess[] = [];
  for (const pid of pids) {
    // A process of another user, or one that just ended, cannot be read: it is none of ours.
    const commandLine = await ports.files.readText(`/proc/${pid}/cmdline`).catch(() => undefined);
    const id = commandLine === undefined ? undefined : guestOf(commandLine.split('\0'), runDirectory);
    const identity = id === undefined ? undefined : await ports.processes.identify(Number(pid));
    if (id !== undefined && identity !== undefined) found.push({ id, identity });
  }
  return found;
}

/** The guest a command line belongs to. */
export function guestOf(argv: readonly string[], runDirectory: string): string | undefined {
  const monitor = 'socket,id=char-monitor,path=';
  for (const argument of argv) {
    if (!argument.startsWith(monitor)) continue;
    const id = argument.slice(monitor.length).split('/').at(-2);
    if (id === undefined || id === '') return undefined;
    const path = `${socketDirectory(runDirectory, id)}/q`;
    return argument.startsWith(optionList('socket', { id: 'char-monitor', path })) ? id : undefined;
  }
  return undefined;
}
