/** Virtual machines by QEMU: the driver's contract on top of its parts. It keeps no state that a new object could not find again. */
import type { World } from '../../../base/world.ts';
import type { Cgroups } from '../../cgroup/contract.ts';
import type {
  GuestHandle,
  GuestSnapshots,
  GuestTransfer,
  HypervisorDriver,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
  MachineSockets,
} from '../contract.ts';
import type { GuestMemory } from '../memory.ts';
import type { PortRange, QemuContext } from './context.ts';
import { killGuest, removeGuest } from './end.ts';
import { gatherFacts } from './facts.ts';
import { argumentsFor } from './launch.ts';
import { livingMembers, lookStanding } from './look.ts';
import { createGuestMemory } from './memory/memory.ts';
import { createMonitors } from './monitors.ts';
import { createObserver } from './observe.ts';
import { printArguments } from './plan/options.ts';
import { findProcesses } from './processes.ts';
import { resolveHardware } from './resolve.ts';
import { createGuestSnapshots } from './snapshots.ts';
import { machineSockets, socketDirectory } from './sockets.ts';
import { createStarts, hasWoken, startGuest } from './start.ts';
import { defaultPorts } from './transfer/channel.ts';
import { createTransfer } from './transfer/transfer.ts';
import { updateMachine } from './update.ts';

export type QemuOptions = {
  world: World;
  cgroups: Cgroups;
  /** Absolute, of this agent alone; short enough for sockets: /run/vireo/1a2b3c4d. */
  runDirectory: string;
  /** TCP ports on which machines are received; 60000-60999 when absent. */
  transferPorts?: PortRange;
  /** Facts found out before, by a driver of this host since it was booted; absent: they are found out when they are first needed. */
  facts?: HypervisorFacts;
};

/** The QEMU driver; `sockets` says where a guest's consoles are, `transfer` moves running guests, `snapshots` keeps their disks, `memory` their memory. */
export type QemuDriver = HypervisorDriver<MachineRequest, MachineHardware> & {
  sockets(guest: GuestHandle): MachineSockets;
  transfer: GuestTransfer<MachineRequest, MachineHardware>;
  snapshots: GuestSnapshots;
  memory: GuestMemory<MachineRequest, MachineHardware>;
};

/** The driver of this host. */
export function createQemuDriver(options: QemuOptions): QemuDriver {
  const { world, cgroups, runDirectory, transferPorts = defaultPorts } = options;
  const context: QemuContext = {
    world,
    cgroups,
    runDirectory,
    transferPorts,
    monitors: createMonitors(world, runDirectory),
  };
  const starts = createStarts();
  const facts = rememberFacts(options);
  return {
    name: 'qemu',
    facts,
    resolve: resolveHardware,
    describe: (guest, request, hardware, given) =>
      printArguments(argumentsFor(runDirectory, { guest, request, hardware, facts: given })),
    observe: createObserver(context),
    start: (guest, request, hardware, gate) =>
      starts.begin(guest, async (aborted) => {
        const what = { guest, request, hardware, facts: await facts() };
        await startGuest(context, what, gate, aborted);
      }),
    update: async (guest, request) => {
      const seen = await lookStanding(context, guest);
      const record = seen?.record;
      if (seen === undefined || record === undefined) return [];
      // What is on its way must stay as the other host was told.
      if (record.outgoing !== undefined || record.incoming !== undefined) return [];
      return updateMachine(world, guest, { record, monitor: seen.monitor }, request);
    },
    shutdown: async (guest) => {
      const seen = await lookStanding(context, guest);
      if (seen?.state === 'Running') await seen.monitor.execute('system_powerdown');
    },
    kill: async (guest) => {
      await starts.abort(guest);
      await killGuest(context, guest);
    },
    pause: async (guest) => {
      const seen = await lookStanding(context, guest);
      if (seen?.state !== 'Running') return;
      await hasWoken(context, guest);
      await seen.monitor.execute('stop');
    },
    resume: async (guest) => {
      const seen = await lookStanding(context, guest);
      // Only a guest that stood still after it ran: `cont` on one in Prelaunch would pass by the gate.
      if (seen?.state === 'Paused') await seen.monitor.execute('cont');
    },
    remove: (guest) => removeGuest(context, guest),
    discover: () => discover(context),
    watch: (listener) => context.monitors.listen(listener),
    close: async () => context.monitors.close(),
    sockets: (guest) => machineSockets(runDirectory, guest.id),
    transfer: createTransfer(context, facts),
    snapshots: createGuestSnapshots(context),
    memory: createGuestMemory(context, starts, facts),
  };
}

/** Facts are found out once; a QEMU that is missing may be installed while we run. */
function rememberFacts({ world, runDirectory, facts }: QemuOptions): () => Promise<HypervisorFacts> {
  let known = facts === undefined ? undefined : Promise.resolve(facts);
  return async () => {
    known ??= gatherFacts(world, runDirectory);
    const found = await known.catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    if (!found.available) known = undefined;
    return found;
  };
}

/** By command lines, and by control groups for those whose QEMU left something behind. */
async function discover(context: QemuContext): Promise<string[]> {
  const { world, runDirectory } = context;
  const found = await findProcesses(world, runDirectory);
  const ids = new Set(found.map(({ id }) => id));
  for (const id of await world.files.list(runDirectory)) {
    const isGuest = (await world.files.stat(`${socketDirectory(runDirectory, id)}/q`)) !== undefined;
    if (isGuest && (await livingMembers(context, id)).length > 0) ids.add(id);
  }
  return [...ids].sort();
}
