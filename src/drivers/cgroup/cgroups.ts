/** The host's control groups for guests: finds out what is mounted and puts tree, limits and freezer together. */
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { type Cgroups, JOBS_GROUP } from './contract.ts';
import { createFreezer, freezable } from './freezer.ts';
import type { Hierarchies } from './hierarchy.ts';
import { parseHierarchies } from './hierarchy.ts';
import { errorCode, writeControl } from './kernelfile.ts';
import type { LimitDirectories } from './limits.ts';
import { v1Limits, v2Limits } from './limits.ts';
import type { Tree } from './tree.ts';
import { busy, createTree } from './tree.ts';
import { type UsageDirectories, usageV1, usageV2 } from './usage.ts';

type CgroupWorld = Pick<World, 'files' | 'clock' | 'processes'>;

/** It is the program itself that enters, so that nothing it does comes before; `$0` is the control file. */
const ENTER = 'echo $$ >"$0" || exit 126; exec "$@"';

/**
 * Opens the group `root` (relative to the mounts, for example `vireo/h1`), making it where it is missing. Throws ReasonedError
 * CgroupsUnavailable (stalled) when none is mounted or we may not write: then `createNoCgroups` is what is left.
 */
export async function createCgroups(options: { world: CgroupWorld; root: string }): Promise<Cgroups> {
  const { world, root } = options;
  const hierarchies = parseHierarchies((await world.files.readText('/proc/self/mounts')) ?? '');
  const { version } = hierarchies;
  if (version === 0) throw unavailable('no control groups are mounted; mount cgroup2 on /sys/fs/cgroup');
  checkedPath(root);
  const tree = createTree(world, hierarchies.all);
  await tree.create(root).catch((error: unknown) => {
    throw unavailable(
      `cannot make control group ${root} (${errorCode(error) ?? String(error)}); run as root`,
    );
  });
  const freezer = createFreezer(world, hierarchies, tree);
  const limits = version === 1 ? v1Limits : v2Limits;
  const usageIn = version === 1 ? usageV1 : usageV2;
  const swapDirectory = limitDirectories(hierarchies, root).memory;
  const accountsSwap = (await world.files.stat(`${swapDirectory}/${limits.swapFile}`)) !== undefined;
  const doors = freezable(hierarchies) ?? hierarchies.all[0];
  const forPrograms = createTree(world, doors === undefined ? [] : [doors]);
  const pathOf = (id: string) => `${root}/${checkedPath(id)}`;

  return {
    version,
    root,
    create: async (id) => tree.createBelow(root, checkedPath(id)),
    createFreezable: async (id) => forPrograms.createBelow(root, checkedPath(id)),
    door: (id) => ['sh', '-c', ENTER, `${doors?.mount ?? ''}/${pathOf(id)}/cgroup.procs`],
    enter: async (id, pid) => {
      for (const { mount } of hierarchies.all) {
        await writeControl(world.files, `${mount}/${pathOf(id)}/cgroup.procs`, String(pid), 'CgroupRefused');
      }
    },
    members: async (id) => tree.members(pathOf(id)),
    glance: async (id) => tree.glance(pathOf(id)),
    limit: async (id, wanted) => limits.set(world.files, limitDirectories(hierarchies, pathOf(id)), wanted),
    settings: (wanted) => limits.settings(wanted, accountsSwap),
    limits: async (id) => limits.get(world.files, limitDirectories(hierarchies, pathOf(id))),
    usage: async (id) => usageIn(world.files, usageDirectories(hierarchies, pathOf(id))),
    freeze: async (id) => freezer.freeze(pathOf(id)),
    thaw: async (id) => freezer.thaw(pathOf(id)),
    isFrozen: async (id) => freezer.isFrozen(pathOf(id)),
    killAll: async (id, given) => freezer.killAll(pathOf(id), given?.timeoutMs ?? 30_000),
    remove: async (id) => tree.remove(pathOf(id)),
    end: async (id, { timeoutMs }) => {
      const path = pathOf(id);
      const until = world.clock.monotonic() + timeoutMs;
      for (;;) {
        await freezer.killAll(path, until - world.clock.monotonic());
        if (await tree.removeAtOnce(path)) return;
        if (world.clock.monotonic() > until) throw busy(path);
        await world.clock.sleep(5);
      }
    },
    list: (id) => tree.children(id === undefined ? root : pathOf(id)),
    removeRoot: async () => {
      const jobs = `${root}/${JOBS_GROUP}`;
      if ((await tree.members(jobs)).length === 0) await tree.remove(jobs);
      await removeRoot(tree, root);
    },
  };
}

/** The parents too, where no other host of this machine has groups in them: nothing of ours is to stay. */
async function removeRoot(tree: Tree, root: string): Promise<void> {
  const segments = root.split('/');
  for (let depth = segments.length; depth > 0; depth -= 1) {
    const path = segments.slice(0, depth).join('/');
    if ((await tree.children(path)).length > 0 || (await tree.members(path)).length > 0) return;
    await tree.remove(path);
  }
}

function limitDirectories(hierarchies: Hierarchies, path: string): LimitDirectories {
  return directoriesOf(['cpu', 'memory', 'pids'], hierarchies, path);
}

function usageDirectories(hierarchies: Hierarchies, path: string): UsageDirectories {
  return directoriesOf(['cpuacct', 'memory'], hierarchies, path);
}

function directoriesOf<Name extends string>(
  names: readonly Name[],
  hierarchies: Hierarchies,
  path: string,
): { [name in Name]?: string } {
  const directories: { [name in Name]?: string } = {};
  for (const name of names) {
    const home = hierarchies.all.find((one) =>
      hierarchies.version === 2 ? one.unified : one.controllers.includes(name),
    );
    if (home !== undefined) directories[name] = `${home.mount}/${path}`;
  }
  return directories;
}

/** Ids become paths: each segment starts with a letter or digit, so that neither `..` nor an absolute path can be meant. */
function checkedPath(path: string): string {
  if (/^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)*$/.test(path)) return path;
  throw new ReasonedError('InvalidName', `${JSON.stringify(path)} cannot name a control group`, {
    stalled: true,
  });
}

function unavailable(message: string): ReasonedError {
  return new ReasonedError('CgroupsUnavailable', message, { stalled: true });
}
