/**
 * What stands in for control groups on a host that gives us none: processes that entered are remembered by identity for as long as this
 * object lives, their children are not seen, and limits are refused in words. Enough for a single process that drops no children.
 */
import { ReasonedError } from '../../base/outcome.ts';
import type { ProcessIdentity } from '../../base/processes.ts';
import type { World } from '../../base/world.ts';
import type { CgroupLimits, Cgroups } from './contract.ts';

/** Version 0: whoever needs more than a remembered process must look at `version` and say so. */
export function createNoCgroups(options: { world: Pick<World, 'processes' | 'clock'> }): Cgroups {
  const { processes, clock } = options.world;
  const groups = new Map<string, ProcessIdentity[]>();

  async function living(id: string): Promise<ProcessIdentity[]> {
    const known = groups.get(id) ?? [];
    const alive = await Promise.all(known.map((identity) => processes.isAlive(identity)));
    return known.filter((_, at) => alive[at]);
  }

  async function killAll(id: string, timeoutMs: number): Promise<void> {
    const until = clock.monotonic() + timeoutMs;
    for (;;) {
      const left = await living(id);
      if (left.length === 0) return;
      if (clock.monotonic() > until)
        throw new ReasonedError('ProcessesRemain', `processes of ${id} do not die of SIGKILL`);
      for (const identity of left) await processes.signal(identity, 'SIGKILL');
      await clock.sleep(10);
    }
  }

  return {
    version: 0,
    root: '',
    create: async (id) => {
      if (!groups.has(id)) groups.set(id, []);
    },
    createFreezable: async () => {},
    door: () => [],
    enter: async (id, pid) => {
      const identity = await processes.identify(pid);
      if (identity !== undefined) groups.set(id, [...(groups.get(id) ?? []), identity]);
    },
    members: async (id) => (await living(id)).map((identity) => identity.pid),
    glance: async (id) => (await living(id)).map((identity) => identity.pid),
    limit: async (_, limits) => {
      if (hasLimit(limits)) throw refused('limits');
    },
    settings: () => [],
    limits: async () => ({}),
    usage: async () => undefined,
    freeze: async () => {
      throw refused('freezing');
    },
    thaw: async () => {
      throw refused('freezing');
    },
    isFrozen: async () => false,
    killAll: (id, given) => killAll(id, given?.timeoutMs ?? 30_000),
    remove: async (id) => {
      if ((await living(id)).length > 0) throw new ReasonedError('CgroupBusy', `${id} still has processes`);
      groups.delete(id);
    },
    end: async (id, { timeoutMs }) => {
      await killAll(id, timeoutMs);
      groups.delete(id);
    },
    list: async (id) => (id === undefined ? [...groups.keys()].sort() : []),
    removeRoot: async () => {},
  };
}

function hasLimit(limits: CgroupLimits): boolean {
  return Object.values(limits).some((value) => value !== undefined);
}

function refused(what: string): ReasonedError {
  return new ReasonedError(
    'CgroupsUnavailable',
    `${what} need control groups, which this host does not give us; run as root`,
    {
      stalled: true,
    },
  );
}
