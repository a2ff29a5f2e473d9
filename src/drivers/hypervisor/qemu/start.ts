/** One start of one guest from Off to Running, or nothing: the gate is the last word before the guest's first instruction. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { GuestEnd, GuestHandle } from '../contract.ts';
import type { QemuContext } from './context.ts';
import { endProcesses, removeTraces } from './end.ts';
import { type Launch, launch } from './launch.ts';
import { type Look, look } from './look.ts';
import { loadMemory } from './memory/load.ts';
import { currentBoot, endOf, readRecord, removeRecord, writeRecord } from './record.ts';

/** The starts under way on this host: a second call joins the first, a kill ends it even while the gate still thinks. */
export type Starts = {
  begin(guest: GuestHandle, work: (aborted: AbortSignal) => Promise<void>): Promise<void>;
  /** Resolves when no start of this guest is under way any more. */
  abort(guest: GuestHandle): Promise<void>;
};

export function createStarts(): Starts {
  const underWay = new Map<string, { done: Promise<void>; abort: AbortController }>();
  return {
    begin: (guest, work) => {
      const known = underWay.get(guest.id);
      if (known !== undefined) return known.done;
      const abort = new AbortController();
      const done = work(abort.signal).finally(() => underWay.delete(guest.id));
      underWay.set(guest.id, { done, abort });
      return done;
    },
    abort: async (guest) => {
      const known = underWay.get(guest.id);
      known?.abort.abort(new ReasonedError('Killed', `${guest.name} was killed while it started`));
      await known?.done.catch(() => undefined);
    },
  };
}

/** `aborted` fires when the guest is to be killed while it starts. Throws ReasonedError; then no process is left. */
export async function startGuest(
  context: QemuContext,
  what: Omit<Launch, 'endedBefore'>,
  gate: () => Promise<void>,
  aborted: AbortSignal,
): Promise<void> {
  const seen = await look(context, what.guest);
  if (seen.type === 'Unmanageable') throw new ReasonedError(seen.reason, seen.message);
  if (seen.type === 'Standing' && (seen.state === 'Running' || seen.state === 'Paused')) return;
  if (seen.type === 'Standing' && (seen.state === 'Incoming' || seen.state === 'HandedOver')) {
    throw new ReasonedError(
      'Migrating',
      `${what.guest.name} is moving between hosts: it is not started here`,
    );
  }
  // A process that never got past its gate, or whose guest has ended, is not the one that is wanted now.
  if (seen.type === 'Standing') await endProcesses(context, what.guest);
  await removeTraces(context, what.guest);
  const endedBefore = await endBefore(context, seen);
  try {
    const monitor = await launch(context, endedBefore === undefined ? what : { ...what, endedBefore });
    if (what.waking !== undefined)
      await loadMemory(context, what.guest, { monitor, name: what.waking }, aborted);
    await unlessAborted(gate(), aborted);
    await monitor.execute('cont');
    if (what.waking !== undefined) await hasWoken(context, what.guest);
  } catch (error) {
    await undo(context, what.guest, endedBefore);
    throw error;
  }
}

/** The end that is still to be told: a start that never got past its gate hands on what it found. */
async function endBefore(context: QemuContext, seen: Look): Promise<GuestEnd | undefined> {
  if (seen.type === 'Gone') return seen.ended;
  if (seen.type === 'Unmanageable') return undefined;
  if (seen.state === 'PoweredOff' || seen.state === 'Crashed') return seen.state;
  if (seen.record === undefined) return undefined;
  const isOwnRecord = seen.record.process.pid === seen.process.pid;
  if (isOwnRecord && seen.state === 'Prelaunch') return seen.record.endedBefore;
  return endOf(seen.record, await currentBoot(context.world.files));
}

/** This run never was. That is written down before its process ends, so that a crash in between does not make an end of it. */
async function undo(
  context: QemuContext,
  guest: GuestHandle,
  endedBefore: GuestEnd | undefined,
): Promise<void> {
  const { files } = context.world;
  const record = await readRecord(files, guest);
  if (endedBefore === undefined) await removeRecord(files, guest);
  else if (record !== undefined) await writeRecord(files, guest, { ...record, ended: endedBefore });
  await endProcesses(context, guest);
  await removeTraces(context, guest);
}

/** It runs: from now on one that stands still has run before. Repeatable, and to be done before anybody has it stand still. */
export async function hasWoken({ world }: QemuContext, guest: GuestHandle): Promise<void> {
  const record = await readRecord(world.files, guest);
  if (record?.waking === undefined) return;
  const { waking: _, ...woken } = record;
  await writeRecord(world.files, guest, woken);
}

/** Rejects as soon as the signal fires; what `work` says later is not heard any more. */
async function unlessAborted(work: Promise<void>, aborted: AbortSignal): Promise<void> {
  aborted.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => reject(aborted.reason);
    aborted.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => aborted.removeEventListener('abort', stop));
  });
  aborted.throwIfAborted();
}
