/**
 * Simulated guests that move while they run. A transfer goes by the wall clock and is written down with its times, so that it goes on while no
 * agent looks, as QEMU does. Hosts meet in a directory that all of them see: the target says there that it waits, the source that the memory
 * has gone.
 */
import type { Clock } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import { createKeyedLock } from '../../storage/locks.ts';
import type { GuestHandle, GuestTransfer, TransferProgress } from '../contract.ts';
import type { SimulatedLives } from './lives.ts';
import type { SimulatedGuest, SimulatedSending, TableFiles } from './table.ts';

export type Meeting = ReturnType<typeof createMeeting>;

/** How long the phases take, milliseconds. */
export type TransferLatency = { disksMs?: number; memoryMs?: number; switchMs?: number };

/** What goes wrong with a guest's transfers: it fails when the phase ends, or the phase does not end. */
export type TransferFault = { failTransferIn?: MovingPhase; hangTransferIn?: MovingPhase };
type MovingPhase = 'Disks' | 'Memory' | 'SwitchingOver';

export type TransferDeps = {
  clock: Clock;
  lives: SimulatedLives;
  meeting: Meeting;
  latency: TransferLatency;
  faultOf(guest: GuestHandle): TransferFault;
  changed(id: string): void;
};

const phases: readonly MovingPhase[] = ['Disks', 'Memory', 'SwitchingOver'];
/** What a transfer counts as its bytes: nothing is really sent. */
const totalBytes = 1_000_000;

export type SimulatedTransfer<Request, Hardware> = {
  offer: GuestTransfer<Request, Hardware>;
  /** Brings a transfer to where it is by now. */
  catchUp(guest: GuestHandle): Promise<unknown>;
  /** Lets go of timers; whoever looks next brings transfers on. */
  close(): void;
};

/** Transfers of one simulated host. */
export function createSimulatedTransfer<Request, Hardware>(
  deps: TransferDeps,
): SimulatedTransfer<Request, Hardware> {
  const { clock, lives, meeting, changed } = deps;
  const timers = new Set<() => void>();

  const fail = (guest: SimulatedGuest, sending: SimulatedSending, message: string) =>
    lives.change({ ...guest, sending: { ...sending, failed: message } });

  /** First the guest stands still for good, then the target may know: never both. */
  const handOver = async (guest: SimulatedGuest, sending: SimulatedSending): Promise<void> => {
    if (!(await meeting.isAwaited(sending.id))) return fail(guest, sending, 'the target does not wait');
    await lives.change({ ...guest, state: 'HandedOver' });
    await meeting.giveMemory(sending.id);
  };

  const bringOn = async (handle: GuestHandle): Promise<SimulatedGuest | undefined> => {
    const guest = await lives.living(handle.id);
    const { sending } = guest ?? {};
    if (guest === undefined || sending === undefined || sending.failed !== undefined) return guest;
    if (guest.state === 'HandedOver') {
      await meeting.giveMemory(sending.id);
      return guest;
    }
    const { failTransferIn, hangTransferIn } = deps.faultOf(handle);
    const phase = phaseOf(sending, clock.now(), hangTransferIn);
    if (phase === 'AwaitingSwitch') return guest;
    if (failTransferIn !== undefined && isPast(failTransferIn, phase))
      await fail(guest, sending, 'the transfer of this simulated guest was told to fail');
    else if (phase === 'Completed') await handOver(guest, sending);
    return lives.living(handle.id);
  };

  /** One deed per guest at a time: a transfer that is cancelled must not hand over meanwhile. */
  const lock = createKeyedLock();
  const catchUp = (handle: GuestHandle) => lock(handle.id, () => bringOn(handle));

  const follow = (handle: GuestHandle, sending: SimulatedSending): void => {
    let afterMs = 0;
    for (const phase of phases) {
      afterMs += sending.lengthsMs[phase];
      const look = () =>
        void catchUp(handle).then(
          () => changed(handle.id),
          () => changed(handle.id),
        );
      timers.add(clock.after(afterMs, look));
    }
  };

  const goOn = async (handle: GuestHandle, from: SimulatedGuest['state']): Promise<void> => {
    const guest = await lives.living(handle.id);
    if (guest?.state !== from) throw notRunning(handle);
    await lives.change({ ...without(guest), state: 'Running' });
  };

  const needed = async (handle: GuestHandle): Promise<SimulatedGuest> => {
    const guest = await catchUp(handle);
    if (guest === undefined) throw notRunning(handle);
    return guest;
  };

  const offer: GuestTransfer<Request, Hardware> = {
    running: async (handle) => {
      const { request, hardware } = await needed(handle);
      return { request: request as Request, hardware: hardware as Hardware, files: [] };
    },
    receive: (handle, request, hardware, { id, address, disks }) =>
      lock(handle.id, async () => {
        const guest = await lives.living(handle.id);
        if (guest !== undefined && (guest.state !== 'Incoming' || guest.receiving !== id))
          throw new ReasonedError('GuestRuns', `${handle.name} stands on this host already`);
        if (guest === undefined) {
          const { uuid } = handle;
          await lives.begin({ id: handle.id, uuid, request, hardware, state: 'Incoming', receiving: id });
        }
        await meeting.await(id);
        const exports = Object.fromEntries(disks.map((disk) => [disk, disk]));
        return { address, port: 1, ...(disks.length === 0 ? {} : { disks: { port: 2, exports } }) };
      }),
    send: (handle, place, { id }) =>
      lock(handle.id, async () => {
        const guest = await bringOn(handle);
        if (guest === undefined) throw notRunning(handle);
        if (guest.sending?.id === id) return;
        if (guest.state !== 'Running' && guest.state !== 'Paused') throw notRunning(handle);
        const { disksMs = 0, memoryMs = 0, switchMs = 0 } = deps.latency;
        const lengthsMs = {
          Disks: place.disks === undefined ? 0 : disksMs,
          Memory: memoryMs,
          SwitchingOver: switchMs,
        };
        const sending = { id, begunAtMs: clock.now(), lengthsMs };
        await lives.change({ ...guest, sending });
        follow(handle, sending);
      }),
    progress: async (handle) => progressOf(await catchUp(handle), clock.now(), deps.faultOf(handle)),
    isStill: () => false,
    beginPostCopy: (handle) =>
      lock(handle.id, async () => {
        const guest = await bringOn(handle);
        if (guest?.sending === undefined || guest.state === 'HandedOver') return;
        await lives.change({ ...guest, sending: { ...guest.sending, postCopy: true } });
      }),
    // All memory is there at once: what could go wrong after the switch is told of real machines.
    switchOver: (handle) =>
      lock(handle.id, async () => {
        const guest = await bringOn(handle);
        const { sending } = guest ?? {};
        if (guest === undefined || sending === undefined || guest.state === 'HandedOver') return;
        if (phaseOf(sending, clock.now(), undefined) === 'AwaitingSwitch') await handOver(guest, sending);
      }),
    disconnect: async () => {},
    reconnect: async () => {},
    arrival: async (handle) => {
      const { receiving } = (await lives.living(handle.id)) ?? {};
      return receiving === undefined || (await meeting.isWhole(receiving)) ? 'Whole' : 'Waited';
    },
    listenAnew: async () => undefined,
    adjust: async () => {},
    cancel: (handle) =>
      lock(handle.id, async () => {
        const guest = await bringOn(handle);
        if (guest?.state === 'HandedOver')
          throw new ReasonedError(
            'HandedOver',
            `${handle.name} has left: all its memory is on the other host`,
          );
        if (guest?.sending !== undefined) await lives.change(without(guest));
      }),
    takeBack: async (handle, gate) => {
      const guest = await needed(handle);
      if (guest.state === 'Running') return;
      if (guest.state !== 'HandedOver') throw notRunning(handle);
      await gate();
      await lock(handle.id, async () => {
        if (guest.sending !== undefined) await meeting.leave(guest.sending.id);
        await goOn(handle, 'HandedOver');
      });
    },
    arrive: async (handle, gate) => {
      const guest = await lives.living(handle.id);
      if (guest?.state === 'Running') return;
      if (guest?.receiving === undefined || !(await meeting.isWhole(guest.receiving)))
        throw new ReasonedError('NotArrived', `the memory of ${handle.name} has not come whole`);
      await gate(Promise.resolve());
      await lock(handle.id, () => goOn(handle, 'Incoming'));
    },
  };
  return {
    offer,
    catchUp,
    close: () => {
      for (const cancel of timers) cancel();
    },
  };
}

/** Files of a transfer: `awaited` while a target waits, `whole` when the memory has gone. */
export function createMeeting({ files, meeting }: { files: TableFiles; meeting: string }) {
  const path = (id: string) => `${meeting}/${id}`;
  const write = async (id: string, text: string) => {
    await files.makeDirectory(meeting);
    await files.writeAtomic(path(id), text);
  };
  const read = (id: string) => files.readText(path(id));
  return {
    await: async (id: string) => {
      if ((await read(id)) !== 'whole') await write(id, 'awaited');
    },
    isAwaited: async (id: string) => (await read(id)) === 'awaited',
    giveMemory: async (id: string) => {
      if ((await read(id)) === 'awaited') await write(id, 'whole');
    },
    isWhole: async (id: string) => (await read(id)) === 'whole',
    leave: (id: string) => write(id, 'over'),
  };
}

function phaseOf(
  { begunAtMs, lengthsMs, postCopy }: SimulatedSending,
  nowMs: number,
  hangsIn: MovingPhase | undefined,
): MovingPhase | 'AwaitingSwitch' | 'Completed' {
  let endMs = begunAtMs;
  for (const phase of phases) {
    endMs += lengthsMs[phase];
    if (phase === 'Memory' && postCopy === true) return 'AwaitingSwitch';
    if (nowMs < endMs || phase === hangsIn) return phase;
  }
  return 'Completed';
}

function isPast(phase: MovingPhase, current: ReturnType<typeof phaseOf>): boolean {
  if (current === 'AwaitingSwitch') return phase === 'Disks';
  return current === 'Completed' || phases.indexOf(current) > phases.indexOf(phase);
}

function progressOf(
  guest: SimulatedGuest | undefined,
  nowMs: number,
  { hangTransferIn }: TransferFault,
): TransferProgress {
  const { sending } = guest ?? {};
  if (guest === undefined || sending === undefined) return { phase: 'Idle' };
  const { id, begunAtMs, failed, lengthsMs } = sending;
  if (failed !== undefined) return { phase: 'Failed', id, reason: 'TransferFailed', message: failed };
  const isOver = guest.state === 'HandedOver';
  const phase = isOver ? 'Completed' : phaseOf(sending, nowMs, hangTransferIn);
  const wholeMs = lengthsMs.Disks + lengthsMs.Memory + lengthsMs.SwitchingOver;
  const share = isOver ? 1 : Math.min(1, (nowMs - begunAtMs) / Math.max(1, wholeMs));
  const transferredBytes = Math.round(totalBytes * share);
  return {
    phase: phase === 'Completed' && !isOver ? 'SwitchingOver' : phase,
    id,
    transferredBytes,
    remainingBytes: totalBytes - transferredBytes,
    totalMs: isOver ? wholeMs : nowMs - begunAtMs,
    ...(isOver ? { downtimeMs: lengthsMs.SwitchingOver } : {}),
  };
}

function without(guest: SimulatedGuest): SimulatedGuest {
  const { sending: _sending, receiving: _receiving, ...rest } = guest;
  return rest;
}

function notRunning({ name }: GuestHandle): ReasonedError {
  return new ReasonedError('NotRunning', `${name} does not run on this host`);
}
