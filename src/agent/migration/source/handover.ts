/**
 * The hand-over and its ways back. Each change of the placement is one compare-and-swap, written down before it is asked for; the guest runs
 * on here only by its gate.
 */
import { GateClosed } from '../../guests/gate.ts';
import type { GivenUp } from '../../record.ts';
import { isWrittenOut } from '../../writeOut.ts';
import { askAhead } from '../ahead.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import type { SourceMemory, SourceView } from './facts.ts';
import { awaitWord, mayBeForgotten } from './forgotten.ts';
import { endsOf, isWanted, mayHandOver } from './handoverAhead.ts';
import {
  after,
  again,
  asked,
  awaitTakeOver,
  change,
  giveUp,
  HANDOVER_RECHECK_MS,
  RECHECK_MS,
  type SourceStep,
  unasked,
  wakeGuest,
} from './record.ts';

/**
 * The one moment: everything is on the target, and the placement is asked to change. Before that it is written down that it is asked (while
 * it is read whether it may be), so that whoever comes after a crash reads first; nobody runs the guest until the answer, or a read, says whose
 * it is. Both was done ahead where the guest was seen to leave.
 */
export async function handOver(
  world: MoveWorld,
  pass: MovePass,
  { transfer, record }: SourceView,
  memory: SourceMemory,
): Promise<SourceStep> {
  const { guests } = world;
  const wasAsked = record?.outgoing?.handOver !== undefined;
  if (!guests.lease.isValid()) return after(HANDOVER_RECHECK_MS);
  const ends = endsOf(world, pass.handle.id);
  if (ends === undefined) return again;
  if (!wasAsked && isOffOnShared(world, pass) && !(await isOut(world, pass)))
    return after(HANDOVER_RECHECK_MS, { message: 'its shared storage does not take what it has written' });
  const still = {
    stillSince: transfer.phase === 'Completed' ? pass.now - (transfer.downtimeMs ?? 0) : pass.now,
  };
  const postCopy = transfer.phase === 'AwaitingSwitch' ? { postCopy: true as const } : {};
  const isAhead = memory.ahead !== undefined && isWanted(pass);
  const found = isAhead
    ? memory.ahead
    : await askAhead({
        ask: () => mayHandOver(world, pass, ends, pass.signal),
        note: () => change(world, pass, (outgoing) => ({ ...still, ...asked(world, outgoing), ...postCopy })),
        takeBack: async () => {
          if (!wasAsked) await change(world, pass, unasked);
        },
      });
  // From here on nobody knows that nothing was asked.
  delete memory.ahead;
  if (found === undefined) return wasAsked ? after(HANDOVER_RECHECK_MS) : again;
  const to = { host: ends.target, epoch: ends.epoch + 1, now: guests.world.clock.now() };
  const result = await pass.mover.swap(found, to, pass.signal);
  switch (result) {
    case 'Swapped':
      return handedOver(world, pass, ends.target, { transfer, ...(isAhead ? still : {}) });
    case 'Stale':
    case 'Refused': {
      // An earlier request without an answer may be what this one ran into: only a read tells.
      if (wasAsked) return after(HANDOVER_RECHECK_MS);
      await change(world, pass, unasked);
      if (result === 'Refused') {
        const message = 'the API server refused the new placement of the guest';
        await giveUp(world, pass, { phase: 'Failed', reason: 'HandOverRefused', message });
      }
      return again;
    }
    case 'Unknown':
      if (isAhead) await change(world, pass, ({ ahead: _known, ...outgoing }) => outgoing);
      return after(HANDOVER_RECHECK_MS);
    default:
      return result satisfies never;
  }
}

function isOut({ guests, writeOutShared }: MoveWorld, { signal }: MovePass): Promise<boolean> {
  return isWrittenOut(writeOutShared, guests.world.clock, WRITE_OUT_MS, signal);
}

/** What it wrote may be in the memory of this host; a machine that leaves while it runs has written all of it itself. */
function isOffOnShared({ guests }: MoveWorld, { handle }: MovePass): boolean {
  const record = guests.records.get(handle.id);
  if (record?.outgoing?.type !== 'Offline') return false;
  return record.volumes.some(({ pool: name }) => {
    const pool = guests.pools.get(name);
    return pool?.type === 'Open' && pool.driver.capabilities.shared === true;
  });
}

/** A guest that is off for its move waits so long at a time. */
const WRITE_OUT_MS = 5_000;

/** A target takes this long for a guest that is its own, at the most, when nothing is wrong. */
const QUIET_MS = 50;

async function handedOver(
  world: MoveWorld,
  pass: MovePass,
  target: string,
  { transfer, ...still }: Pick<SourceView, 'transfer'> & { stillSince?: number },
): Promise<SourceStep> {
  // The target reads now, and writes: API server, network and disks are its own for a moment.
  if (transfer.phase === 'Completed') await world.guests.world.clock.sleep(QUIET_MS, pass.signal);
  await change(world, pass, (outgoing) => ({ ...asked(world, outgoing), ...still, handOver: 'Done' }));
  pass.event('Normal', 'HandedOver', `the guest is placed on ${target}`);
  if (transfer.phase === 'AwaitingSwitch') return again;
  // Nothing is read again while the target reads: the answer has said whose the guest is.
  return awaitTakeOver(HANDOVER_RECHECK_MS);
}

/**
 * A new epoch for this host: a request under way carries an older resourceVersion and can change nothing any more. Nor may one have been granted
 * that the API has forgotten.
 */
export async function reclaim(
  world: MoveWorld,
  pass: MovePass,
  { found }: SourceView,
  end: GivenUp,
): Promise<SourceStep> {
  const ends = endsOf(world, pass.handle.id);
  if (found === undefined || ends === undefined) return after(HANDOVER_RECHECK_MS);
  const { clock } = world.guests.world;
  const epoch = ends.epoch + 1;
  if (await mayBeForgotten(world, pass, epoch)) return awaitWord(ends.target);
  const result = await pass.mover.swap(found, { host: ends.source, epoch, now: clock.now() }, pass.signal);
  if (result !== 'Swapped') return after(HANDOVER_RECHECK_MS);
  // Restored between the two: then the swap was made in another past than it was asked about.
  if (await mayBeForgotten(world, pass, epoch)) return awaitWord(ends.target);
  await giveUp(world, pass, end, epoch);
  return again;
}

/** Its epoch is written down before anything runs by it. */
export async function acceptBack(
  world: MoveWorld,
  pass: MovePass,
  { found }: SourceView,
  end: GivenUp,
): Promise<SourceStep> {
  const epoch = found?.status?.placement?.epoch;
  const ends = endsOf(world, pass.handle.id);
  if (epoch === undefined || ends === undefined) return after(HANDOVER_RECHECK_MS);
  if (await mayBeForgotten(world, pass, epoch)) return awaitWord(ends.target);
  await giveUp(world, pass, end, epoch);
  return again;
}

/**
 * Through the gate. Without an API server to ask, only by the lease, and only when the change of placement was surely never asked for:
 * then this host is the guest's as it was before the move.
 */
export async function takeBack(
  world: MoveWorld,
  pass: MovePass,
  { record }: SourceView,
): Promise<SourceStep> {
  const { guests } = world;
  const { mover, handle, guest, signal } = pass;
  const stored = guests.records.get(handle.id);
  if (mover.live === undefined || stored === undefined) return after(RECHECK_MS);
  const found = { metadata: { ...guest, uid: stored.uid } };
  const withoutApi = record?.outgoing?.givenUp?.reason === 'ApiServerAway';
  const gate = async () => {
    if (!withoutApi) return mover.gate(found, stored.epoch, signal);
    if (!guests.lease.isValid()) throw new GateClosed('LeaseNotHeld', "this host's lease is not valid");
  };
  try {
    await mover.live.takeBack(handle, gate);
    wakeGuest(world, pass);
    return again;
  } catch (error) {
    if (!(error instanceof GateClosed)) throw error;
    return after(HANDOVER_RECHECK_MS);
  }
}
