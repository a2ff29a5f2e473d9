/**
 * Guests that exist only in a file: three hosts on a laptop without KVM or root, and fast tests of everything above the drivers. It keeps the
 * contract of the real drivers, crash by crash; an idle guest costs no timer and no CPU.
 */
import { type Clock, timestamp } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import { compareRequests } from '../changes.ts';
import {
  type GuestEnd,
  type GuestHandle,
  type GuestObservation,
  type GuestSnapshots,
  type GuestTransfer,
  type HypervisorDriver,
  VOLUME_LOCKED,
} from '../contract.ts';
import type { GuestMemory } from '../memory.ts';
import { createSimulatedCopies, type EarlyCopies } from './copies.ts';
import type { SimulatedKind } from './kinds.ts';
import { createSimulatedLives } from './lives.ts';
import { createSimulatedMemory } from './memory.ts';
import { createSimulatedTable, type SimulatedGuest, type TableFiles } from './table.ts';
import {
  createMeeting,
  createSimulatedTransfer,
  type TransferFault,
  type TransferLatency,
} from './transfer.ts';

/** How long things take, in milliseconds; 0 when absent. */
export type SimulatedLatency = {
  startMs?: number;
  shutdownMs?: number;
  killMs?: number;
} & TransferLatency;

/** What goes wrong with one guest. */
export type SimulatedFault = TransferFault & {
  /** So many starts fail before one succeeds. */
  failStarts?: number;
  /** Another process holds the lock of a volume, as long as this is set. */
  locked?: boolean;
  /** A shutdown request is heard and not followed. */
  ignoreShutdown?: boolean;
  /** Its agent does not freeze file systems. */
  failFreeze?: boolean;
  /** Its agent freezes, and says nothing as long as this is set. */
  hangFreeze?: boolean;
  /** Copies of its disks fail; what is said of it. */
  failCopies?: string;
  /** It cannot go on from memory that was kept of it. */
  failWake?: boolean;
  /** It crashes so many milliseconds after each start. */
  crashAfterMs?: number;
};

/** Faults by guest id or name, `*` for all others. Read at each use: the owner may change it at any time. */
export type SimulatedFaults = Record<string, SimulatedFault>;

export type SimulatedOptions<Request, Hardware> = {
  world: { clock: Clock; files: TableFiles };
  kind: SimulatedKind<Request, Hardware>;
  /** Absolute; lies in the agent's state directory. */
  stateFile: string;
  /** Absolute: a directory of all hosts that running guests move between; absent: they do not move while they run. */
  meeting?: string;
  latency?: SimulatedLatency;
  faults?: Readonly<SimulatedFaults>;
};

/** A simulated hypervisor, and what happens to its guests from outside. */
export type SimulatedHypervisor<Request, Hardware> = HypervisorDriver<Request, Hardware> & {
  readonly transfer?: GuestTransfer<Request, Hardware>;
  readonly snapshots: GuestSnapshots;
  readonly memory: GuestMemory<Request, Hardware>;
  /** Ends a running guest as if its process had died (Crashed) or it had powered itself off. */
  end(id: string, how: GuestEnd): Promise<void>;
  /** Ends all running guests as a reboot of the host does. */
  rebootHost(): Promise<void>;
};

/** The simulated driver for one kind of guest on one simulated host. */
export function createSimulatedHypervisor<Request, Hardware>(
  options: SimulatedOptions<Request, Hardware>,
): SimulatedHypervisor<Request, Hardware> {
  const { kind, latency = {}, faults = {} } = options;
  const { clock, files } = options.world;
  const listeners = new Set<(id: string) => void>();
  const changed = (id: string) => {
    for (const listener of listeners) listener(id);
  };
  const lives = createSimulatedLives(clock, createSimulatedTable(files, options.stateFile), changed);
  const meeting =
    options.meeting === undefined ? undefined : createMeeting({ files, meeting: options.meeting });
  const end = async (id: string, how: GuestEnd | undefined) => {
    // A process that is gone waits for nothing.
    const { receiving } = (await lives.living(id)) ?? {};
    if (receiving !== undefined) await meeting?.leave(receiving);
    await lives.end(id, how);
  };
  const starting = new Map<string, Promise<void>>();
  const failures = new Map<string, number>();
  /** Of guests that start: copies that were begun before they ran. */
  const early: EarlyCopies = new Map();
  const faultOf = (guest: GuestHandle) => faults[guest.id] ?? faults[guest.name] ?? faults['*'] ?? {};
  const take = async (ms: number | undefined) => {
    if (ms !== undefined && ms > 0) await clock.sleep(ms);
  };

  const launch = async (
    guest: GuestHandle,
    { request, hardware, woke }: { request: Request; hardware: Hardware; woke?: string },
    gate: () => Promise<void>,
  ) => {
    const standing = await lives.living(guest.id);
    if (standing?.state === 'Incoming' || standing?.state === 'HandedOver')
      throw new ReasonedError('GuestMoves', `${guest.name} is on its way between hosts`);
    if (standing !== undefined) return;
    const fault = faultOf(guest);
    await take(latency.startMs);
    if (fault.locked === true)
      throw new ReasonedError(VOLUME_LOCKED, `another process holds the lock of a volume of ${guest.name}`);
    const failed = failures.get(guest.id) ?? 0;
    if (failed < (fault.failStarts ?? 0)) {
      failures.set(guest.id, failed + 1);
      throw new ReasonedError('SimulatedStartFailure', 'the start of this simulated guest was told to fail');
    }
    early.delete(guest.id);
    await gate();
    const begun = await lives.begin({
      ...{ id: guest.id, uuid: guest.uuid, request, hardware },
      ...early.get(guest.id),
      ...(woke === undefined ? {} : { woke }),
    });
    if (fault.crashAfterMs !== undefined) lives.endLater(begun, fault.crashAfterMs, 'Crashed');
  };

  const start = (
    guest: GuestHandle,
    what: { request: Request; hardware: Hardware; woke?: string },
    gate: () => Promise<void>,
  ) => {
    const underWay = starting.get(guest.id);
    if (underWay !== undefined) return underWay;
    const work = launch(guest, what, gate).finally(() => starting.delete(guest.id));
    starting.set(guest.id, work);
    return work;
  };

  const transfer =
    meeting === undefined
      ? undefined
      : createSimulatedTransfer<Request, Hardware>({ clock, lives, meeting, latency, faultOf, changed });

  return {
    name: kind.name,
    facts: async () => kind.facts,
    resolve: (request, pinned) => kind.resolve(request, pinned),
    describe: (guest, request, hardware) =>
      [`guest ${guest.name}`, ...textLines(request), ...textLines(hardware)].join('\n'),
    observe: async (guest) => {
      await transfer?.catchUp(guest);
      const known = await lives.current(guest.id);
      if (known !== undefined && known.state !== 'Off') return standing(known.state, known, kind);
      if (starting.has(guest.id)) {
        return { state: 'Prelaunch', process: identity(0), startedAt: timestamp(clock) };
      }
      return known?.ended === undefined ? { state: 'Off' } : { state: 'Off', ended: known.ended };
    },
    start: (guest, request, hardware, gate) => start(guest, { request, hardware }, gate),
    update: async (guest, request) => {
      const known = await lives.living(guest.id);
      if (known === undefined) return [];
      const changes = compareRequests(known.request, request, kind.rules);
      const pending = changes.filter((change) => change.class !== 'Live');
      if (changes.length > 0 && pending.length === 0) await lives.change({ ...known, request });
      return pending;
    },
    shutdown: async (guest) => {
      const known = await lives.living(guest.id);
      if (
        (known?.state !== 'Running' && known?.state !== 'Paused') ||
        known.stopsAtMs !== undefined ||
        faultOf(guest).ignoreShutdown
      )
        return;
      const shutdownMs = latency.shutdownMs ?? 0;
      if (shutdownMs === 0) return lives.end(guest.id, 'PoweredOff');
      await lives.change({ ...known, stopsAtMs: clock.now() + shutdownMs });
      lives.endLater(known, shutdownMs, 'PoweredOff');
    },
    kill: async (guest) => {
      await starting.get(guest.id)?.catch(() => undefined);
      if ((await lives.living(guest.id)) !== undefined) await take(latency.killMs);
      await end(guest.id, undefined);
    },
    pause: async (guest) => {
      const known = await lives.living(guest.id);
      if (known?.state === 'Running') await lives.change({ ...known, state: 'Paused' });
    },
    resume: async (guest) => {
      const known = await lives.living(guest.id);
      if (known?.state === 'Paused') await lives.change({ ...known, state: 'Running' });
    },
    remove: async (guest) => {
      if ((await lives.living(guest.id)) !== undefined) {
        throw new ReasonedError('GuestStillRuns', `${guest.name} still runs: kill it before removing it`);
      }
      failures.delete(guest.id);
      await lives.forget(guest.id);
    },
    discover: () => lives.all(),
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      transfer?.close();
      await lives.close();
    },
    ...(transfer === undefined ? {} : { transfer: transfer.offer }),
    // Disks of simulated pools are snapshotted by their pools, whoever has them open.
    snapshots: {
      copies: createSimulatedCopies({
        ...{ clock, lives, early, disksMs: latency.disksMs ?? 0 },
        starting: (id) => starting.has(id),
        failure: (guest) => faultOf(guest).failCopies,
      }),
      freeze: async (guest, { timeoutMs }) => {
        const known = await lives.living(guest.id);
        if (known?.state !== 'Running' || kind.agentConnected(known.request as Request) !== true)
          return false;
        if (faultOf(guest).failFreeze === true) return false;
        const hangs = faultOf(guest).hangFreeze === true;
        if (hangs) await clock.sleep(timeoutMs);
        await lives.change({ ...known, frozen: true });
        return !hangs;
      },
      thaw: async (guest) => {
        const known = await lives.living(guest.id);
        if (known !== undefined && faultOf(guest).hangFreeze === true)
          throw new ReasonedError('GuestAgentSilent', 'it was told to hang');
        if (known?.frozen !== true) return;
        const { frozen: _, ...thawed } = known;
        await lives.change(thawed);
      },
      take: async () => {},
      remove: async () => {},
    },
    memory: createSimulatedMemory<Request, Hardware>({
      ...{ clock, files, lives, memoryMs: latency.memoryMs ?? 0 },
      unfit: (guest) => (faultOf(guest).failWake === true ? 'it was told to fail' : undefined),
      start: (guest, woke, machine, gate) => start(guest, { ...machine, woke }, gate),
    }),
    end,
    rebootHost: async () => {
      await Promise.all((await lives.all()).map((id) => end(id, 'HostRebooted')));
    },
  };
}

function standing<Request, Hardware>(
  state: Exclude<SimulatedGuest['state'], 'Off'>,
  guest: SimulatedGuest,
  kind: SimulatedKind<Request, Hardware>,
): GuestObservation {
  const agentConnected = kind.agentConnected(guest.request as Request);
  return {
    state,
    process: identity(guest.startTicks),
    startedAt: guest.startedAt,
    ...(agentConnected === undefined ? {} : { agentConnected }),
  };
}

/** No process stands behind a simulated guest: pid 0, told apart by the number of its start; the same after the agent's restart. */
function identity(startTicks: number) {
  return { pid: 0, startTicks, bootId: 'simulated' };
}

function textLines(value: unknown): string[] {
  return JSON.stringify(value, undefined, 1).split('\n');
}
