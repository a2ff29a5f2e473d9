/** The keeper of a host of the lab as the kernel sees it. */
import { readdir, readFile } from 'node:fs/promises';
import type { Machine } from './machine.ts';

export type KeeperProcess = {
  pid: number;
  /** Its control group in each hierarchy. */
  groups: string[];
  /** Of each of its threads. */
  nice: number[];
};

export async function keeperProcess(machine: Machine): Promise<KeeperProcess> {
  for (const pid of await machine.pids()) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!/keeper\.js\0[^\0]*\0standing\0/.test(command)) continue;
    const groups = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).trim().split('\n');
    const threads = await readdir(`/proc/${pid}/task`);
    const stats = await Promise.all(threads.map((tid) => readFile(`/proc/${pid}/task/${tid}/stat`, 'utf8')));
    // Field 19, counted from behind the name: proc(5).
    const nice = stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
    return { pid, groups: groups.map((line) => line.split(':').slice(2).join(':')), nice };
  }
  throw new Error(`${machine.name} has no keeper`);
}
