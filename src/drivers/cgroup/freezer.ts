/** Stopping a whole group in its tracks and killing it, by the freezer of v1 and v2. */
import type { Clock } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Processes } from '../../base/processes.ts';
import type { Hierarchies, Hierarchy } from './hierarchy.ts';
import { readControl, writeControl } from './kernelfile.ts';
import type { Tree } from './tree.ts';

export type Freezer = {
  freeze(path: string): Promise<void>;
  thaw(path: string): Promise<void>;
  isFrozen(path: string): Promise<boolean>;
  killAll(path: string, timeoutMs: number): Promise<void>;
};

type FreezerFiles = { hierarchy: Hierarchy; file: string; frozen: string; thawed: string };

const freezeTimeoutMs = 5_000;

export function createFreezer(
  world: { files: Files; clock: Clock; processes: Processes },
  hierarchies: Hierarchies,
  tree: Tree,
): Freezer {
  const { files, clock } = world;
  const at = freezerFiles(hierarchies);

  async function freeze(path: string): Promise<void> {
    if (at === undefined) throw missing();
    const directory = `${at.hierarchy.mount}/${path}`;
    await writeControl(files, `${directory}/${at.file}`, at.frozen, 'CgroupRefused');
    const until = clock.monotonic() + freezeTimeoutMs;
    while (!(await allFrozen(files, at, directory))) {
      if (clock.monotonic() > until) {
        throw new ReasonedError('FreezeTimedOut', `${directory} did not freeze within ${freezeTimeoutMs} ms`);
      }
      await clock.sleep(5);
    }
  }

  /** Groups below too: a v1 process frozen by its own guest cannot even die of SIGKILL. */
  async function thaw(path: string): Promise<void> {
    if (at === undefined) throw missing();
    for (const directory of await tree.walk(at.hierarchy, path)) {
      const now = await readControl(files, `${directory}/${at.file}`);
      if (now === undefined || now === at.thawed) continue;
      await writeControl(files, `${directory}/${at.file}`, at.thawed, 'CgroupRefused');
    }
  }

  async function killAll(path: string, timeoutMs: number): Promise<void> {
    const until = clock.monotonic() + timeoutMs;
    for (let round = 0; ; round += 1) {
      const members = await tree.members(path);
      if (members.length === 0) return;
      if (clock.monotonic() > until) {
        throw new ReasonedError(
          'ProcessesRemain',
          `processes ${members.slice(0, 8).join(', ')} do not die of SIGKILL`,
        );
      }
      // Frozen in the third round, so that no fork outruns us; thawed always, because v1 lets only thawed processes die.
      if (round === 2 && at !== undefined) await freeze(path).catch(() => undefined);
      await killMembers(world.processes, tree, path, members);
      if (at !== undefined) await thaw(path);
      await clock.sleep(Math.min(2 * 2 ** round, 50));
    }
  }

  return {
    freeze,
    thaw,
    killAll,
    isFrozen: async (path) => {
      if (at === undefined) return false;
      const state = await readControl(files, `${at.hierarchy.mount}/${path}/${at.file}`);
      return state !== undefined && state !== at.thawed;
    },
  };
}

/** A pid that is still a member after its identity was read is that process: no stranger who got the number is ever hit. */
async function killMembers(
  processes: Processes,
  tree: Tree,
  path: string,
  pids: readonly number[],
): Promise<void> {
  const identities = await Promise.all(pids.map((pid) => processes.identify(pid)));
  const still = new Set(await tree.members(path));
  for (const identity of identities) {
    if (identity !== undefined && still.has(identity.pid)) await processes.signal(identity, 'SIGKILL');
  }
}

/** The hierarchy by which groups are frozen. */
export function freezable(hierarchies: Hierarchies): Hierarchy | undefined {
  const wanted = (one: Hierarchy) =>
    hierarchies.version === 2 ? one.unified : one.controllers.includes('freezer');
  return hierarchies.all.find(wanted);
}

function freezerFiles(hierarchies: Hierarchies): FreezerFiles | undefined {
  const hierarchy = freezable(hierarchies);
  if (hierarchy === undefined) return undefined;
  return hierarchies.version === 2
    ? { hierarchy, file: 'cgroup.freeze', frozen: '1', thawed: '0' }
    : { hierarchy, file: 'freezer.state', frozen: 'FROZEN', thawed: 'THAWED' };
}

/** v1 says FREEZING in the same file until all stand still; v2 says so in cgroup.events. */
async function allFrozen(files: Files, at: FreezerFiles, directory: string): Promise<boolean> {
  if (at.file === 'freezer.state') return (await readControl(files, `${directory}/${at.file}`)) === at.frozen;
  const events = await readControl(files, `${directory}/cgroup.events`);
  return events === undefined || /^frozen 1$/m.test(events);
}

function missing(): ReasonedError {
  return new ReasonedError('CgroupControllerMissing', 'this host has no freezer for control groups', {
    stalled: true,
  });
}
