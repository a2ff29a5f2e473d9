/** Long work of a move to this host goes on beside the passes; what it cannot do is why the guest cannot come. */
import { type Outcome, outcomeOf } from '../../../base/outcome.ts';
import type { TransferPlace } from '../../../drivers/hypervisor/contract.ts';
import { SOURCE_SILENT } from '../../peers/ask.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import { after, again, change, RECHECK_MS, type TargetSays, type TargetStep } from './record.ts';

/** So long a source that does not answer is asked again: an agent that was killed is back by then, perhaps at another port. */
const SILENCE_MS = 30_000;
const ASK_AGAIN_MS = 1_000;

/** What the target remembers of a move between passes; all of it can be found out again. */
export type TargetMemory = {
  /** Monotonic: since when the source has not answered. */
  silentSince?: number;
  /** Monotonic: since when the guest is placed here and has not come. */
  missedSince?: number;
  /** At the last look the process waited for the guest. */
  waits?: true;
  /** Monotonic: when it was asked last where the guest belongs. */
  askedAt?: number;
  /** Post-copy: where the rest of the memory was awaited last, and since when. Monotonic. */
  listening?: { place: TransferPlace; at: number };
};

/** `wake` has the move looked at again when the work has ended. */
export type Beside = { memory: TargetMemory; wake: () => void };

/** Begins the work, or takes what it has come to. */
export async function beside(
  world: MoveWorld,
  pass: MovePass,
  what: string,
  { memory, wake }: Beside,
  work: (signal: AbortSignal) => Promise<TargetSays>,
): Promise<TargetStep> {
  const says: TargetSays = { state: pass.migration?.status?.target?.state ?? 'Preparing' };
  try {
    const ended = await world.guests.jobs.run(pass.handle.id, `move ${what}`, work, wake);
    if (ended !== undefined) delete memory.silentSince;
    return after(ended === undefined ? 600_000 : RECHECK_MS, ended?.value ?? says);
  } catch (error) {
    if (pass.signal.aborted) throw error;
    const outcome = outcomeOf(error, 'TargetFailed');
    if (mayAnswerYet(world, memory, outcome)) return after(ASK_AGAIN_MS, says);
    const { reason, message } = outcome.type === 'done' ? { reason: 'TargetFailed', message: '' } : outcome;
    await change(world, pass, (incoming) => ({ ...incoming, failed: { reason, message } }));
    pass.event('Warning', reason, message);
    return again;
  }
}

function mayAnswerYet({ guests }: MoveWorld, memory: TargetMemory, outcome: Outcome): boolean {
  const isSilent =
    outcome.type !== 'done' && (outcome.reason === SOURCE_SILENT || outcome.reason === 'PeerUnreachable');
  if (!isSilent) return false;
  const now = guests.world.clock.monotonic();
  memory.silentSince ??= now;
  return now - memory.silentSince < SILENCE_MS;
}
