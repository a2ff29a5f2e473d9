/**
 * Moving running machines between the QEMUs of two hosts: both sides' deeds behind the contract. A transfer is driven by QEMU's events and
 * by every look at its progress; what it is for stands in the guest's run record, so that a new agent goes on with it.
 */
import { ReasonedError } from '../../../../base/outcome.ts';
import type {
  GuestHandle,
  GuestTransfer,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
  SendOptions,
  TransferPlace,
} from '../../contract.ts';
import type { QemuContext } from '../context.ts';
import { firmwareVariables } from '../plan/input.ts';
import { QmpError } from '../qmp.ts';
import { writeRecord } from '../record.ts';
import { announce, dropCertificates, unlessRefused } from './channel.ts';
import { createConductor, type StandingGuest, standingGuest } from './conductor.ts';
import { dropMirrors } from './disks.ts';
import { arrival, beginPostCopy, disconnect, listenAnew, reconnect, switchOver } from './postCopy.ts';
import { arriveGuest, receiveGuest } from './receive.ts';
import { adjustLimits, hasLeft, isMoving, progressOf, standing } from './send.ts';

/** A cancelled transfer lets the guest run on within this, milliseconds. */
const cancelMs = 30_000;

/** The transfers of one host. */
export function createTransfer(
  context: QemuContext,
  facts: () => Promise<HypervisorFacts>,
): GuestTransfer<MachineRequest, MachineHardware> {
  const conductor = createConductor(context);
  const { clock } = context.world;
  return {
    running: async (guest) => {
      const { request, hardware } = (await standingGuest(context, guest)).record;
      const variables = firmwareVariables(guest).slice(guest.directory.length + 1);
      return { request, hardware, files: request.firmware === 'UEFI' ? [variables] : [] };
    },
    receive: async (guest, request, hardware, options) =>
      receiveGuest(context, { guest, request, hardware, facts: await facts() }, options),
    send: async (guest, place, options) => {
      await conductor.alone(guest, () => begin(context, guest, place, options));
      await conductor.step(guest);
    },
    progress: async (guest) => {
      const { outgoing, standing: seen } = await conductor.step(guest);
      if (outgoing?.failure !== undefined) return { phase: 'Failed', id: outgoing.id, ...outgoing.failure };
      if (outgoing === undefined || seen === undefined) return { phase: 'Idle' };
      return progressOf(seen, outgoing, clock.now());
    },
    isStill: conductor.isStill,
    beginPostCopy: async (guest) => {
      await conductor.alone(guest, () => beginPostCopy(context, guest));
      await conductor.step(guest);
    },
    switchOver: (guest) => conductor.alone(guest, () => switchOver(context, guest)),
    disconnect: (guest) => conductor.alone(guest, () => disconnect(context, guest)),
    reconnect: (guest, place) => conductor.alone(guest, () => reconnect(context, guest, place)),
    arrival: (guest) => arrival(context, guest),
    listenAnew: (guest, { address }) => listenAnew(context, guest, address),
    adjust: async (guest, limits) => {
      const { monitor } = await standingGuest(context, guest);
      await adjustLimits(monitor, limits);
    },
    cancel: (guest) => conductor.alone(guest, () => cancel(context, guest)),
    takeBack: (guest, gate) => conductor.alone(guest, () => takeBack(context, guest, gate)),
    arrive: (guest, gate) => arriveGuest(context, guest, gate),
  };
}

/** Writes down what is to be sent where, unless it stands there already. */
async function begin(
  context: QemuContext,
  guest: GuestHandle,
  place: TransferPlace,
  options: SendOptions,
): Promise<void> {
  const seen = await standingGuest(context, guest);
  const { outgoing, ...record } = seen.record;
  if (outgoing?.id === options.id && outgoing.failure === undefined) return;
  if (seen.state !== 'Running' && seen.state !== 'Paused') {
    throw new ReasonedError('NotRunning', `${guest.name} is ${seen.state} and cannot be sent`);
  }
  await forget(context, guest, seen);
  const next = { id: options.id, place, options, startedMs: context.world.clock.now() };
  await writeRecord(context.world.files, guest, { ...record, outgoing: next });
}

/** Everything of the transfer goes from QEMU, then its mark. */
async function forget(
  { world }: QemuContext,
  guest: GuestHandle,
  { monitor, record }: StandingGuest,
): Promise<void> {
  const { outgoing, ...rest } = record;
  if (outgoing === undefined) return;
  await dropMirrors(monitor, outgoing.place, world.clock);
  await dropCertificates(monitor);
  await writeRecord(world.files, guest, rest);
}

async function cancel(context: QemuContext, guest: GuestHandle): Promise<void> {
  const { clock } = context.world;
  const until = clock.monotonic() + cancelMs;
  for (;;) {
    const seen = await standingGuest(context, guest);
    const { outgoing } = seen.record;
    if (outgoing === undefined) return;
    const { migration } = await standing({ monitor: seen.monitor, outgoing });
    if (hasLeft(migration)) {
      throw new ReasonedError('HandedOver', `${guest.name} has left: all its memory is on the other host`);
    }
    if (!isMoving(migration)) return forget(context, guest, seen);
    await unlessRefused(seen.monitor.execute('migrate_cancel'));
    if (clock.monotonic() > until) {
      throw new ReasonedError('CancelStuck', `the transfer of ${guest.name} does not end`);
    }
    await clock.sleep(10);
  }
}

async function takeBack(context: QemuContext, guest: GuestHandle, gate: () => Promise<void>): Promise<void> {
  const seen = await standingGuest(context, guest);
  if (seen.state === 'HandedOver') {
    await gate();
    await seen.monitor.execute('cont').catch((error: unknown) => {
      if (!(error instanceof QmpError)) throw error;
      const message = `${guest.name} cannot go on here while the other host has its disks: ${error.message}`;
      throw new ReasonedError('DisksInUse', message);
    });
    await announce(seen.monitor);
  }
  await forget(context, guest, seen);
}
