/** One start of one guest from Off to Running, or nothing: the gate is the last word before the guest's first instruction. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { QemuContext } from './context.ts';
import { endProcesses, removeTraces } from './end.ts';
import { type Launch, launch } from './launch.ts';
import { look } from './look.ts';
import { removeRecord } from './record.ts';

/** `aborted` fires when the guest is to be killed while it starts. Throws ReasonedError; then no process is left. */
export async function startGuest(
  context: QemuContext,
  what: Launch,
  gate: () => Promise<void>,
  aborted: AbortSignal,
): Promise<void> {
  if (!(await isFree(context, what))) return;
  try {
    const monitor = await launch(context, what);
    await unlessAborted(gate(), aborted);
    await monitor.execute('cont');
  } catch (error) {
    await undo(context, what);
    throw error;
  }
}

/** Whether a process may be made: true when the guest is off, false when it runs. What a crash left before its launch is put away. */
async function isFree(context: QemuContext, { guest }: Launch): Promise<boolean> {
  const seen = await look(context, guest);
  if (seen.type === 'Unmanageable') throw new ReasonedError(seen.reason, seen.message);
  if (seen.type === 'Standing' && (seen.state === 'Running' || seen.state === 'Paused')) return false;
  if (seen.type === 'Standing') await endProcesses(context, guest);
  await removeTraces(context, guest);
  return true;
}

/** The guest never ran: nothing of this start is to be remembered. */
async function undo(context: QemuContext, { guest }: Launch): Promise<void> {
  await endProcesses(context, guest);
  await removeTraces(context, guest);
  await removeRecord(context.world.files, guest);
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
