/** Takes each transfer from step to step: when somebody looks, and when QEMU says that something has happened. One deed of a guest at a time. */
import { outcomeOf, ReasonedError } from '../../../../base/outcome.ts';
import type { GuestHandle } from '../../contract.ts';
import type { QemuContext } from '../context.ts';
import { type Look, lookStanding } from '../look.ts';
import type { QmpConnection } from '../qmp.ts';
import { type OutgoingRecord, type RunRecord, writeRecord } from '../record.ts';
import { advance, type Standing, standing } from './send.ts';

const telling = new Set(['BLOCK_JOB_READY', 'BLOCK_JOB_COMPLETED', 'BLOCK_JOB_CANCELLED', 'MIGRATION']);

export type StandingGuest = Extract<Look, { type: 'Standing' }> & { record: RunRecord };

/** The guest as it stands, with its record. Throws ReasonedError NotRunning. */
export async function standingGuest(context: QemuContext, guest: GuestHandle): Promise<StandingGuest> {
  const seen = await lookStanding(context, guest);
  if (seen?.record === undefined) {
    throw new ReasonedError('NotRunning', `${guest.name} does not run on this host`);
  }
  return { ...seen, record: seen.record };
}

/** Where a step has left the transfer; without `standing` there is none, or it has failed. */
export type Taken = { outgoing: OutgoingRecord | undefined; standing?: Standing };

export type Conductor = {
  /** Takes the transfer as far as it goes now; listens for what lets it go on. A failure stands in the run record. */
  step(guest: GuestHandle): Promise<Taken>;
  /** By the last QEMU has told: it answers nobody while it stops the guest and sends the last. */
  isStill(guest: GuestHandle): boolean;
  /** Runs work while no step is made. */
  alone<T>(guest: GuestHandle, work: () => Promise<T>): Promise<T>;
};

export function createConductor(context: QemuContext): Conductor {
  const { log } = context.world;
  const lines = new Map<string, Promise<unknown>>();
  /** Steps that have not begun: whoever wants one now is served by it. */
  const waiting = new Map<string, Promise<Taken>>();
  const heard = new WeakSet<QmpConnection>();
  const still = new Set<string>();

  function alone<T>(guest: GuestHandle, work: () => Promise<T>): Promise<T> {
    const next = (lines.get(guest.id) ?? Promise.resolve()).then(work);
    const line = next
      .catch(() => undefined)
      .finally(() => {
        if (lines.get(guest.id) === line) lines.delete(guest.id);
      });
    lines.set(guest.id, line);
    return next;
  }

  const step = (guest: GuestHandle): Promise<Taken> => {
    const known = waiting.get(guest.id);
    if (known !== undefined) return known;
    const next = alone(guest, async () => {
      waiting.delete(guest.id);
      const seen = await standingGuest(context, guest);
      const { outgoing } = seen.record;
      if (outgoing === undefined || outgoing.failure !== undefined) return { outgoing };
      listen(guest, seen.monitor);
      return takeOn(context, guest, seen, outgoing);
    });
    waiting.set(guest.id, next);
    return next;
  };

  function listen(guest: GuestHandle, monitor: QmpConnection): void {
    if (heard.has(monitor)) return;
    heard.add(monitor);
    still.delete(guest.id);
    monitor.onEvent(({ event }) => {
      if (event === 'STOP') still.add(guest.id);
      else if (event === 'RESUME') still.delete(guest.id);
      if (!telling.has(event)) return;
      step(guest).catch((error: unknown) =>
        log.debug('a transfer is taken on when it is looked at', { guest: guest.name, error: String(error) }),
      );
    });
  }

  return { step, alone, isStill: ({ id }) => still.has(id) };
}

/** Step by step until it has to wait. */
async function takeOn(
  { world }: QemuContext,
  guest: GuestHandle,
  { monitor, record }: StandingGuest,
  begun: OutgoingRecord,
): Promise<Taken> {
  let outgoing = begun;
  const note = async (change: Partial<OutgoingRecord>) => {
    outgoing = { ...outgoing, ...change };
    await writeRecord(world.files, guest, { ...record, outgoing });
  };
  const deps = { clock: world.clock, noteMemoryBegun: () => note({ memoryBegun: true }) };
  try {
    for (;;) {
      const seen = await advance(deps, { monitor, outgoing });
      if (seen === 'Begun') continue;
      return { outgoing, standing: seen === 'Done' ? await standing({ monitor, outgoing }) : seen };
    }
  } catch (error) {
    const outcome = outcomeOf(error, 'TransferFailed');
    // A QEMU that is gone or does not answer tells its own story.
    if (outcome.type === 'done' || outcome.reason === 'QmpClosed' || outcome.reason === 'QmpTimeout')
      throw error;
    await note({ failure: { reason: outcome.reason, message: outcome.message } });
    return { outgoing };
  }
}
