/** How the source's record of a move changes, each time on disk before anything is done by it. */
import { updateRecord } from '../../guests/wiring.ts';
import type { GivenUp, GuestRecord, Outgoing } from '../../record.ts';
import type { MovePass, MoveWorld, Step } from '../world.ts';
import type { SourceSays } from './status.ts';

/** A step, and what it says in the Migration. */
export type SourceStep = { step: Step; says?: SourceSays };

/** What tells nobody is looked at again after this. */
export const RECHECK_MS = 10_000;
/** Between two looks at a hand-over: the guest stands still. */
export const HANDOVER_RECHECK_MS = 250;

/** Decide again at once. */
export const again: SourceStep = { step: 'again' };
/** Look again after so long, although nothing tells. */
export const after = (afterMs: number, says?: SourceSays): SourceStep => ({
  step: { afterMs },
  ...(says === undefined ? {} : { says }),
});

/** The guest is the target's, which has to say that it is at home there. */
export const awaitTakeOver = (afterMs: number, message = 'the target takes the guest over') =>
  after(afterMs, { stage: 'HandingOver', message, source: { state: 'HandedOver' } });

/** Changes the move in the record. */
export function change(
  world: MoveWorld,
  { handle }: MovePass,
  edit: (outgoing: Outgoing) => Outgoing,
  more: (record: GuestRecord) => Partial<GuestRecord> = () => ({}),
): Promise<GuestRecord> {
  return updateRecord(world.guests, handle.id, (record) => {
    if (record.outgoing === undefined) throw new Error(`the record of ${record.id} has lost its move`);
    return { ...record, ...more(record), outgoing: edit(record.outgoing) };
  });
}

/** As if nobody had written that the placement is asked to change. */
export function unasked({
  handOver: _asked,
  ahead: _ahead,
  incarnation: _incarnation,
  ...outgoing
}: Outgoing): Outgoing {
  return outgoing;
}

/** That the placement is asked to change. What was asked first counts: each request may have been granted. */
export function asked({ guests }: MoveWorld, { ahead: _ahead, ...outgoing }: Outgoing): Outgoing {
  const incarnation = outgoing.incarnation ?? guests.controlPlane.highest() ?? 0;
  return { ...outgoing, handOver: 'Asked', incarnation };
}

/** Has the guest's own controller look at it. */
export function wakeGuest({ guests }: MoveWorld, { mover, guest }: MovePass): void {
  guests.enqueue(mover.controller, `${guest.namespace}/${guest.name}`);
}

/** A guest that was stopped for the move is started again, whatever its run strategy would say of a guest that is off. */
export async function giveUp(world: MoveWorld, pass: MovePass, end: GivenUp, epoch?: number): Promise<void> {
  await change(
    world,
    pass,
    (outgoing) => ({
      ...unasked(outgoing),
      ...(epoch === undefined ? {} : { epoch }),
      givenUp: end,
    }),
    ({ run, outgoing, epoch: before }) => ({
      epoch: epoch ?? before,
      ...(outgoing?.held?.wasOn === true ? { run: { ...run, restart: true } } : {}),
    }),
  );
  pass.event('Warning', end.reason, end.message);
  wakeGuest(world, pass);
}
