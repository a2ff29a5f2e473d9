/** Post-copy as the source sees it: the guest is the target's, its memory follows, and what stands here holds the only copy of the rest. */
import { updateRecord } from '../../guests/wiring.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import type { SourceView } from './facts.ts';
import { after, again, change, type SourceStep, wakeGuest } from './record.ts';
import type { SourceSays } from './status.ts';
import { placeOf } from './transfer.ts';

const FOLLOW_UP_MS = 1_000;
const mode = 'PostCopy';

/** Until the target says that the guest is at home. */
export async function followUp(
  world: MoveWorld,
  pass: MovePass,
  view: SourceView,
  silent: boolean,
): Promise<SourceStep> {
  const { mover, handle, migration } = pass;
  const { transfer, observation } = view;
  await noteArrival(world, pass);
  const target = migration?.status?.target;
  const to = migration?.status?.targetHost ?? 'the target';
  const say = (says: Omit<SourceSays, 'stage' | 'mode'>) =>
    after(FOLLOW_UP_MS, { stage: 'HandingOver', mode, ...says });
  if (observation === 'Off') {
    const message = `the process that held the rest of the memory has ended: the guest starts anew on ${to}`;
    return say({ message, source: { state: 'Lost' } });
  }
  switch (transfer.phase) {
    case 'PostCopy': {
      if (silent) await mover.live?.disconnect(handle);
      const { transferredBytes, remainingBytes } = transfer;
      const message = `the guest is on ${to}, and the rest of its memory follows`;
      return say({
        message,
        source: { state: 'HandedOver' },
        progress: { transferredBytes, remainingBytes },
      });
    }
    case 'PostCopyPaused': {
      const place = placeOf(target?.place);
      if (target?.state === 'Listening' && place !== undefined) await mover.live?.reconnect(handle, place);
      const message = `the connection to ${to} is lost: the guest stands still there wherever it needs memory that has not come; look at the network between the hosts`;
      return say({ message, source: { state: 'Disconnected' } });
    }
    default:
      return say({ message: 'the target takes the guest over', source: { state: 'HandedOver' } });
  }
}

/** What the guest has stood still for ends when it runs on the target, not when its memory is whole. */
async function noteArrival(world: MoveWorld, pass: MovePass): Promise<void> {
  const state = pass.migration?.status?.target?.state;
  const outgoing = world.guests.records.get(pass.handle.id)?.outgoing;
  if (outgoing?.stillSince === undefined || outgoing.stoodStillMs !== undefined || state === 'Ready') return;
  const stoodStillMs = world.guests.world.clock.now() - outgoing.stillSince;
  await change(world, pass, (before) => ({ ...before, stoodStillMs }));
}

/** The target gave the guest back and has never run it, and what is here cannot be continued. */
export async function startAnew(world: MoveWorld, pass: MovePass): Promise<SourceStep> {
  const { mover, handle } = pass;
  await mover.kill(handle);
  await updateRecord(world.guests, handle.id, ({ run: { live: _over, ...run }, ...record }) => ({
    ...record,
    run: { ...run, restart: true },
  }));
  pass.event('Warning', 'MemoryLost', 'its memory could not be brought back: it starts from its disks');
  wakeGuest(world, pass);
  return again;
}
