/**
 * A control group for one process of ours beside all others: what limits or kills their groups leaves it alone, its memory stays where it is, and it comes
 * first where processors are short. It lies directly below the mounts: of a group further down the kernel protects no more than of those above it.
 */
import type { World } from '../../base/world.ts';
import { type Hierarchy, parseHierarchies } from './hierarchy.ts';
import { errorCode, writeControl } from './kernelfile.ts';
import { createTree } from './tree.ts';

type OwnWorld = Pick<World, 'files' | 'clock'>;

export type OwnGroup = {
  /** One name, no path. */
  group: string;
  pid: number;
  /** So much of it is never taken back (version 2). */
  memoryBytes: number;
};

/**
 * Makes the group with the highest weights and moves the process in, in every hierarchy. Resolves with what the host does not let us have of that, in
 * words; what the process has touched before stays in the account of its former group.
 */
export async function enterOwnGroup(world: OwnWorld, own: OwnGroup): Promise<string[]> {
  const all = await mounted(world);
  if (all.length === 0) return ['no control groups are mounted'];
  const [refused, held]: [string[], string[]] = [[], []];
  for (const hierarchy of all) {
    try {
      await createTree(world, [hierarchy]).create(own.group);
      const taken = await favour(world, hierarchy, own);
      refused.push(...taken.refused);
      held.push(...taken.held);
      const members = `${hierarchy.mount}/${own.group}/cgroup.procs`;
      await writeControl(world.files, members, String(own.pid), 'CgroupRefused');
    } catch (error) {
      refused.push(`${hierarchy.mount}/${own.group}: ${errorCode(error) ?? messageOf(error)}`);
    }
  }
  for (const controller of ['memory', 'cpu'])
    if (!held.some((file) => file.startsWith(controller)))
      refused.push(`no group has a say in ${controller}`);
  return refused;
}

/** Removes the group; one that is not there is no error, one that has a process throws ReasonedError CgroupBusy. */
export async function removeOwnGroup(world: OwnWorld, group: string): Promise<void> {
  await createTree(world, await mounted(world)).remove(group);
}

/** The kernel's files: https://docs.kernel.org/admin-guide/cgroup-v2.html, and cgroup-v1/memory.html beside it. Those of the other version are not there. */
async function favour(
  { files }: OwnWorld,
  { mount }: Hierarchy,
  { group, memoryBytes }: OwnGroup,
): Promise<{ held: string[]; refused: string[] }> {
  const wishes = {
    'memory.min': String(memoryBytes),
    'memory.swap.max': '0',
    'memory.swappiness': '0',
    'cpu.weight': '10000',
    'cpu.shares': '262144',
  };
  const [held, refused]: [string[], string[]] = [[], []];
  for (const [file, value] of Object.entries(wishes)) {
    const path = `${mount}/${group}/${file}`;
    if ((await files.stat(path)) === undefined) continue;
    try {
      await writeControl(files, path, value, 'CgroupRefused');
      held.push(file);
    } catch (error) {
      refused.push(messageOf(error));
    }
  }
  return { held, refused };
}

async function mounted({ files }: OwnWorld): Promise<readonly Hierarchy[]> {
  return parseHierarchies((await files.readText('/proc/self/mounts')) ?? '').all;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
