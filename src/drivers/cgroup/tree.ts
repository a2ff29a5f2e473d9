/**
 * The directories of control groups: making, walking, listing and removing them in every hierarchy at once. Guests can make groups of any
 * name inside their own, so a group is told from a control file by being a directory.
 */
import type { Clock } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Hierarchy } from './hierarchy.ts';
import { errorCode, readControl, writeControl } from './kernelfile.ts';

export type Tree = {
  /** Makes `path` and what is missing above it. */
  create(path: string): Promise<void>;
  /** The same when `parent` was made by `create` before: only what is below it is looked at. */
  createBelow(parent: string, path: string): Promise<void>;
  members(path: string): Promise<number[]>;
  glance(path: string): Promise<number[]>;
  /** Waits for a second for what still ends in it. Throws ReasonedError CgroupBusy. */
  remove(path: string): Promise<void>;
  /** False when something is in it. */
  removeAtOnce(path: string): Promise<boolean>;
  /** Names of the groups directly below `path`, in any hierarchy. */
  children(path: string): Promise<string[]>;
  /** The directory of `path` and all below it in one hierarchy, parents first; [] when it does not exist. */
  walk(hierarchy: Hierarchy, path: string): Promise<string[]>;
};

export function createTree(world: { files: Files; clock: Clock }, all: readonly Hierarchy[]): Tree {
  const { files, clock } = world;

  async function walkFrom(directory: string): Promise<string[]> {
    const below = await files.directories(directory);
    const deeper = await Promise.all(below.map((name) => walkFrom(`${directory}/${name}`)));
    return [directory, ...deeper.flat()];
  }

  async function walk(hierarchy: Hierarchy, path: string): Promise<string[]> {
    const directory = `${hierarchy.mount}/${path}`;
    return (await files.stat(directory)) === undefined ? [] : walkFrom(directory);
  }

  /** Of the group and all below it; a group that does not exist has none, and none below. */
  async function membersFrom(directory: string): Promise<number[]> {
    const pids = await readPids(files, directory);
    if (pids === undefined) return [];
    const below = await files.directories(directory);
    const deeper = await Promise.all(below.map((name) => membersFrom(`${directory}/${name}`)));
    return [...pids, ...deeper.flat()];
  }

  async function removeAtOnce(path: string): Promise<boolean> {
    for (const hierarchy of all)
      for (const directory of (await walk(hierarchy, path)).reverse())
        if (!(await removeGroup(files, directory))) return false;
    return true;
  }

  return {
    walk,
    removeAtOnce,
    create: async (path) => {
      await Promise.all(all.map((hierarchy) => createIn(files, hierarchy, hierarchy.mount, path)));
    },
    createBelow: async (parent, path) => {
      await Promise.all(
        all.map(async (hierarchy) => {
          const directory = `${hierarchy.mount}/${parent}`;
          const isThere = (await files.stat(directory)) !== undefined;
          await (isThere
            ? createIn(files, hierarchy, directory, path)
            : createIn(files, hierarchy, hierarchy.mount, `${parent}/${path}`));
        }),
      );
    },
    members: async (path) => {
      const found = await Promise.all(all.map(({ mount }) => membersFrom(`${mount}/${path}`)));
      return [...new Set(found.flat())].sort((a, b) => a - b);
    },
    glance: async (path) => {
      const [first] = all;
      return first === undefined ? [] : membersFrom(`${first.mount}/${path}`);
    },
    // The kernel lets go of a group a little after its last process.
    remove: async (path) => {
      for (let attempt = 0; !(await removeAtOnce(path)); attempt += 1) {
        if (attempt === 20) throw busy(path);
        await clock.sleep(50);
      }
    },
    children: async (path) => {
      const found = await Promise.all(all.map(({ mount }) => files.directories(`${mount}/${path}`)));
      return [...new Set(found.flat())].sort();
    },
  };
}

/** Pids in one group. A v2 guest may have made it threaded, where cgroup.procs answers EOPNOTSUPP and only thread ids are told. */
async function readPids(files: Files, directory: string): Promise<number[] | undefined> {
  const text = await readControl(files, `${directory}/cgroup.procs`).catch((error: unknown) => {
    if (errorCode(error) !== 'EOPNOTSUPP') throw error;
    return readControl(files, `${directory}/cgroup.threads`);
  });
  if (text === undefined) return undefined;
  const pids = text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
  if (pids.includes(0)) {
    // The kernel prints 0 for a process that our own pid namespace cannot name: it must not pass for an empty group.
    throw new ReasonedError('ForeignProcess', `${directory} holds a process of another pid namespace`);
  }
  return pids;
}

/** Makes each level and gives it what a process needs to enter: CPUs on v1 cpuset, hierarchical memory, controllers on v2. */
async function createIn(files: Files, hierarchy: Hierarchy, top: string, path: string): Promise<void> {
  let parent = top;
  for (const segment of path.split('/')) {
    const directory = `${parent}/${segment}`;
    if (hierarchy.unified) await delegateControllers(files, parent);
    await files.makeDirectory(directory, { fleeting: true });
    if (hierarchy.controllers.includes('cpuset')) await inheritCpus(files, parent, directory);
    if (hierarchy.controllers.includes('memory')) await accountBelow(files, directory);
    parent = directory;
  }
}

/**
 * A new v1 cpuset has no CPUs, and entering it fails with ENOSPC until it has (cpuset(7)). Groups that others make below, as LXC does, get
 * theirs from the kernel by cgroup.clone_children.
 */
async function inheritCpus(files: Files, parent: string, directory: string): Promise<void> {
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    if ((await readControl(files, `${directory}/${name}`)) !== '') continue;
    const value = await readControl(files, `${parent}/${name}`);
    if (value) await writeControl(files, `${directory}/${name}`, value, 'CgroupRefused');
  }
  if ((await readControl(files, `${directory}/cgroup.clone_children`)) !== '0') return;
  await writeControl(files, `${directory}/cgroup.clone_children`, '1', 'CgroupRefused');
}

/** Before kernel 5.11 a v1 memory group counted only itself, so that limits on the guest's group missed the groups below. */
async function accountBelow(files: Files, directory: string): Promise<void> {
  if ((await readControl(files, `${directory}/memory.use_hierarchy`)) !== '0') return;
  await writeControl(files, `${directory}/memory.use_hierarchy`, '1', 'CgroupRefused');
}

/** v2: children have the files of a controller only when the parent hands it on. One the parent lacks is noticed when a limit needs it. */
async function delegateControllers(files: Files, directory: string): Promise<void> {
  const offered = (await readControl(files, `${directory}/cgroup.controllers`))?.split(' ') ?? [];
  const enabled = (await readControl(files, `${directory}/cgroup.subtree_control`))?.split(' ') ?? [];
  for (const name of ['cpu', 'memory', 'pids']) {
    if (!offered.includes(name) || enabled.includes(name)) continue;
    await writeControl(files, `${directory}/cgroup.subtree_control`, `+${name}`, 'CgroupRefused');
  }
}

async function removeGroup(files: Files, directory: string): Promise<boolean> {
  try {
    await files.remove(directory);
    return true;
  } catch (error) {
    if (['EBUSY', 'ENOTEMPTY'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

export function busy(path: string): ReasonedError {
  return new ReasonedError('CgroupBusy', `${path} still has processes or groups`);
}
