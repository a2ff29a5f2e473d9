/** Virtual machines by QEMU: the driver's contract on top of its parts. It keeps no state that a new object could not find again. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { World } from '../../../base/world.ts';
import type { Cgroups } from '../../cgroup/contract.ts';
import type {
  GuestHandle,
  GuestObservation,
  HypervisorDriver,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
  MachineSockets,
} from '../contract.ts';
import type { QemuContext } from './context.ts';
import { endProcesses, reap, removeTraces } from './end.ts';
import { gatherFacts } from './facts.ts';
import { argumentsFor, logPath } from './launch.ts';
import { type Look, livingMembers, look } from './look.ts';
import { createMonitors } from './monitors.ts';
import { printArguments } from './plan/options.ts';
import { findProcesses } from './processes.ts';
import { readRecord, removeRecord, writeRecord } from './record.ts';
import { resolveHardware } from './resolve.ts';
import { machineSockets, socketDirectory } from './sockets.ts';
import { startGuest } from './start.ts';
import { updateMachine } from './update.ts';

export type QemuOptions = {
  world: World;
  cgroups: Cgroups;
  /** Absolute, of this agent alone; short enough for sockets: /run/vireo/1a2b3c4d. */
  runDirectory: string;
  /** Facts found out before, by a driver of this host since it was booted; absent: they are found out when they are first needed. */
  facts?: HypervisorFacts;
};

/** The QEMU driver; `sockets` says where a guest's consoles are. */
export type QemuDriver = HypervisorDriver<MachineRequest, MachineHardware> & {
  sockets(guest: GuestHandle): MachineSockets;
};

/** The driver of this host. */
export function createQemuDriver(options: QemuOptions): QemuDriver {
  const { world, cgroups, runDirectory } = options;
  const context: QemuContext = {
    world,
    cgroups,
    runDirectory,
    monitors: createMonitors(world, runDirectory),
  };
  const starting = new Map<string, { done: Promise<void>; abort: AbortController }>();
  const reaping = new Map<string, Promise<void>>();
  let known: Promise<HypervisorFacts> | undefined;
  const facts = () => {
    known ??= options.facts === undefined ? gatherFacts(world, runDirectory) : Promise.resolve(options.facts);
    return known;
  };

  /** Two observers put a finished guest away once. */
  const putAway = (guest: GuestHandle, ended: 'PoweredOff' | 'Crashed') => {
    const underWay = reaping.get(guest.id);
    if (underWay !== undefined) return underWay;
    const work = reap(context, guest, ended).finally(() => reaping.delete(guest.id));
    reaping.set(guest.id, work);
    return work;
  };

  const standing = async (guest: GuestHandle) => {
    const seen = await look(context, guest);
    if (seen.type === 'Unmanageable') throw new ReasonedError(seen.reason, seen.message);
    return seen.type === 'Standing' ? seen : undefined;
  };

  return {
    name: 'qemu',
    facts,
    resolve: resolveHardware,
    describe: (guest, request, hardware, given) =>
      printArguments(argumentsFor(runDirectory, { guest, request, hardware, facts: given })),
    observe: async (guest) => {
      const seen = await look(context, guest);
      if (seen.type !== 'Standing' || (seen.state !== 'PoweredOff' && seen.state !== 'Crashed')) {
        return observation(seen);
      }
      await putAway(guest, seen.state);
      return observation(await look(context, guest));
    },
    start: async (guest, request, hardware, gate) => {
      const underWay = starting.get(guest.id);
      if (underWay !== undefined) return underWay.done;
      const abort = new AbortController();
      const launching = facts().then((given) =>
        startGuest(context, { guest, request, hardware, facts: given }, gate, abort.signal),
      );
      const done = launching.finally(() => starting.delete(guest.id));
      starting.set(guest.id, { done, abort });
      return done;
    },
    update: async (guest, request) => {
      const seen = await standing(guest);
      const record = seen?.record;
      if (seen === undefined || record === undefined) return [];
      return updateMachine(world, guest, { record, monitor: seen.monitor }, request);
    },
    shutdown: async (guest) => {
      const seen = await standing(guest);
      if (seen?.state === 'Running') await seen.monitor.execute('system_powerdown');
    },
    kill: async (guest) => {
      const start = starting.get(guest.id);
      start?.abort.abort(new ReasonedError('Killed', `${guest.name} was killed while it started`));
      await start?.done.catch(() => undefined);
      const record = await readRecord(world.files, guest);
      if (record !== undefined && record.killed !== true) {
        await writeRecord(world.files, guest, { ...record, killed: true });
      }
      await endProcesses(context, guest);
      await removeTraces(context, guest);
      await removeRecord(world.files, guest);
    },
    pause: async (guest) => {
      const seen = await standing(guest);
      if (seen?.state === 'Running') await seen.monitor.execute('stop');
    },
    resume: async (guest) => {
      const seen = await standing(guest);
      // Only a guest that stood still after it ran: `cont` on one in Prelaunch would pass by the gate.
      if (seen?.state === 'Paused') await seen.monitor.execute('cont');
    },
    remove: async (guest) => {
      const seen = await look(context, guest);
      if (seen.type !== 'Gone') {
        throw new ReasonedError(
          'GuestStillRuns',
          `${guest.name} still has a process: kill it before removing it`,
        );
      }
      await removeTraces(context, guest);
      await removeRecord(world.files, guest);
      await world.files.remove(logPath(guest));
    },
    discover: async () => {
      const found = await findProcesses(world, runDirectory);
      const ids = new Set(found.map(({ id }) => id));
      for (const id of await world.files.list(runDirectory)) {
        const isGuest = (await world.files.stat(`${socketDirectory(runDirectory, id)}/q`)) !== undefined;
        if (isGuest && (await livingMembers(context, id)).length > 0) ids.add(id);
      }
      return [...ids].sort();
    },
    watch: (listener) => context.monitors.listen(listener),
    close: async () => context.monitors.close(),
    sockets: (guest) => machineSockets(runDirectory, guest.id),
  };
}

function observation(seen: Look): GuestObservation {
  switch (seen.type) {
    case 'Gone':
      return seen.ended === undefined ? { state: 'Off' } : { state: 'Off', ended: seen.ended };
    case 'Unmanageable':
      return { state: 'Unmanageable', reason: seen.reason, message: seen.message };
    case 'Standing': {
      if (seen.state === 'PoweredOff' || seen.state === 'Crashed') {
        const message = 'the guest has ended and its process is being put away';
        return { state: 'Unmanageable', reason: 'Ending', message };
      }
      const { state, process, startedAt, agentConnected } = seen;
      return { state, process, startedAt, agentConnected };
    }
  }
}
