/** Takes each transfer from step to step: when somebody looks, and when QEMU says that something has happened. One deed of a guest at a time. */
import { outcomeOf, ReasonedError } from '../../../../base/outcome.ts';
import type { GuestHandle } from '../../contract.ts';
import type { QemuContext } from '../context.ts';
import { type Look, lookStanding } from '../look.ts';
import type { QmpConnection } from '../qmp.ts';
import { type OutgoingRecord, type RunRecord, writeRecord } from '../record.ts';
import { advance, type Sending, type Standing, standing } from './send.ts';

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
  /**
   * Takes the transfer as far as it goes now; listens for what lets it go on. A failure stands in the run record. A step that is being made
   * serves whoever comes while QEMU has told nothing new.
   */
  step(guest: GuestHandle): Promise<Taken>;
  /** By the last QEMU has told: it answers nobody while it stops the guest and sends the last. */
  isStill(guest: GuestHandle): boolean;
  /** Runs work while no step is made. */
  alone<T>(guest: GuestHandle, work: () => Promise<T>): Promise<T>;
};

/** Whom a step can ask at once: the guest was looked at over this connection, and while it lasts it is the same process. */
type Heard = { monitor: QmpConnection; outgoing?: OutgoingRecord };

export function createConductor(context: QemuContext): Conductor {
  const { log } = context.world;
  const lines = new Map<string, Promise<unknown>>();
  /** The last step that was asked for, until it is over or may have asked before QEMU told of something. */
  const current = new Map<string, Promise<Taken>>();
  /** Guests whose last step has not begun. */
  const waiting = new Set<string>();
  const heard = new Map<string, Heard>();
  const still = new Set<string>();

  function inLine<T>({ id }: GuestHandle, work: () => Promise<T>): Promise<T> {
    const next = (lines.get(id) ?? Promise.resolve()).then(work);
    const line = next
      .catch(() => undefined)
      .finally(() => {
        if (lines.get(id) === line) lines.delete(id);
      });
    lines.set(id, line);
    return next;
  }

  const alone = <T>(guest: GuestHandle, work: () => Promise<T>): Promise<T> =>
    inLine(guest, async () => {
      const known = heard.get(guest.id);
      // Whoever works alone may write down something else.
      if (known !== undefined) delete known.outgoing;
      return work();
    });

  const step = (guest: GuestHandle): Promise<Taken> => {
    const known = current.get(guest.id);
    if (known !== undefined) return known;
    const next = inLine(guest, async () => {
      waiting.delete(guest.id);
      return take(guest);
    }).finally(() => {
      if (current.get(guest.id) === next) current.delete(guest.id);
    });
    waiting.add(guest.id);
    current.set(guest.id, next);
    return next;
  };

  const take = async (guest: GuestHandle): Promise<Taken> => {
    const known = heard.get(guest.id);
    const { monitor, outgoing } =
      known?.outgoing === undefined ? await lookAt(guest) : { ...known, outgoing: known.outgoing };
    if (outgoing === undefined || outgoing.failure !== undefined) return { outgoing };
    const listened = listen(guest, monitor);
    // Where it cannot be asked it is looked at again.
    delete listened.outgoing;
    const taken = await takeOn(context, guest, { monitor, outgoing });
    if (taken.outgoing !== undefined) listened.outgoing = taken.outgoing;
    return taken;
  };

  const lookAt = async (guest: GuestHandle) => {
    const { monitor, record } = await standingGuest(context, guest);
    return { monitor, outgoing: record.outgoing };
  };

  function listen(guest: GuestHandle, monitor: QmpConnection): Heard {
    const known = heard.get(guest.id);
    if (known?.monitor === monitor) return known;
    const fresh: Heard = { monitor };
    heard.set(guest.id, fresh);
    void monitor.closed.then(() => {
      if (heard.get(guest.id) === fresh) heard.delete(guest.id);
    });
    still.delete(guest.id);
    monitor.onEvent(({ event }) => {
      if (event === 'STOP') still.add(guest.id);
      else if (event === 'RESUME') still.delete(guest.id);
      // A step under way may have asked before this.
      if (!waiting.has(guest.id)) current.delete(guest.id);
      if (!telling.has(event)) return;
      step(guest).catch((error: unknown) =>
        log.debug('a transfer is taken on when it is looked at', { guest: guest.name, error: String(error) }),
      );
    });
    return fresh;
  }

  return { step, alone, isStill: ({ id }) => still.has(id) };
}

/** Step by step until it has to wait. */
async function takeOn(
  context: QemuContext,
  guest: GuestHandle,
  { monitor, outgoing: begun }: Sending,
): Promise<Taken> {
  const { files, clock } = context.world;
  let outgoing = begun;
  const note = async (change: Partial<OutgoingRecord>) => {
    outgoing = { ...outgoing, ...change };
    const { record } = await standingGuest(context, guest);
    await writeRecord(files, guest, { ...record, outgoing });
  };
  const deps = { clock, noteMemoryBegun: () => note({ memoryBegun: true }) };
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
