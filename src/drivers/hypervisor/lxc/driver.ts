/** System containers by LXC: puts the driver's deeds together behind the contract of all hypervisors. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { World } from '../../../base/world.ts';
import type { Cgroups } from '../../cgroup/contract.ts';
import type { ContainerHardware, ContainerRequest, GuestHandle, HypervisorDriver } from '../contract.ts';
import type { LxcContext } from './context.ts';
import { readFacts } from './facts.ts';
import { directMapping } from './idmap.ts';
import { createLocks } from './locks.ts';
import { observe } from './observe.ts';
import { payloadGroup } from './paths.ts';
import { planConfig } from './plan.ts';
import { createRecords } from './record.ts';
import { start } from './start.ts';
import { kill, remove, shutdown } from './stop.ts';
import { update } from './update.ts';
import { createWatchers } from './watch.ts';

export type LxcDriver = HypervisorDriver<ContainerRequest, ContainerHardware>;

export type LxcDriverOptions = {
  world: World;
  cgroups: Cgroups;
  /**
   * A directory of this host's own, absolute; short, because LXC makes socket names of it. Every user must be able to pass through its
   * parents (mode 0711): LXC looks at it as the container's root and refuses the start otherwise.
   */
  lxcPath: string;
};

/**
 * One driver serves one host, from inside the host's network namespace: LXC's command sockets are not seen from another one.
 */
export function createLxcDriver(options: LxcDriverOptions): LxcDriver {
  const { world, cgroups, lxcPath } = options;
  const locks = createLocks();
  const watchers = createWatchers(world);
  const context: LxcContext = {
    world,
    cgroups,
    lxcPath,
    environment: once(() => directMapping(world.files, lxcPath)),
    records: createRecords(world.files),
    locks,
    watchers,
  };

  return {
    name: 'lxc',
    facts: () => readFacts(world, cgroups),
    resolve: (request, pinned) => ({ idBase: pinned?.idBase ?? request.idBase }),
    describe: (guest, request, hardware) => planConfig(guest, request, hardware, cgroups),
    observe: (guest) => observe(context, guest),
    start: (guest, request, hardware, gate) =>
      locks.run(guest.id, () => start(context, guest, request, hardware, gate)),
    update: (guest, request) => locks.run(guest.id, () => update(context, guest, request)),
    shutdown: (guest) => shutdown(context, guest),
    kill: (guest) => locks.run(guest.id, () => kill(context, guest)),
    pause: (guest) => setFrozen(context, guest, true),
    resume: (guest) => setFrozen(context, guest, false),
    remove: (guest) => locks.run(guest.id, () => remove(context, guest)),
    discover: () => discover(cgroups),
    watch: watchers.watch,
    close: async () => watchers.close(),
  };
}

/** The same answer for every call; after a failure it is tried again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return async () => {
    answer ??= work();
    try {
      return await answer;
    } catch (error) {
      answer = undefined;
      throw error;
    }
  };
}

/** The program and arguments that attach a terminal to the console of a running container; left with Ctrl-a q. */
export function consoleCommand(lxcPath: string, id: string): string[] {
  return ['lxc-console', '-n', id, '-P', lxcPath, '-t', '0'];
}

async function setFrozen(context: LxcContext, guest: GuestHandle, frozen: boolean): Promise<void> {
  const seen = await observe(context, guest);
  if (seen.state === 'Unmanageable') throw new ReasonedError(seen.reason, seen.message);
  if (seen.state === 'Off') throw new ReasonedError('GuestNotRunning', `container ${guest.id} does not run`);
  const group = payloadGroup(guest.id);
  await (frozen ? context.cgroups.freeze(group) : context.cgroups.thaw(group));
}

/** Guests of other kinds have their processes in the group itself, containers have them in groups below. */
async function discover(cgroups: Cgroups): Promise<string[]> {
  const found: string[] = [];
  for (const id of await cgroups.list()) {
    for (const group of [payloadGroup(id), `${id}/monitor`, `${id}/pivot`]) {
      if (found.at(-1) !== id && (await cgroups.members(group)).length > 0) found.push(id);
    }
  }
  return found;
}
