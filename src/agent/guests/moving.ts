/** What a move under way means for the one who looks after the guest on this host. Pure. */
import type { GuestRecord } from '../record.ts';

/**
 * - Arriving: it is not at home here yet: hands off.
 * - Leaving: it runs and is being sent: it is watched, and nothing about it is changed.
 * - HandingOver: it stands still for a moment, and its placement is about to change: nobody looks at it or speaks of it.
 * - HeldOff: it is to be off until the move is over.
 * - Left: it is another host's, and its remains here go when it is at home there.
 * - Home: no move, or one that does not concern its power.
 */
export type MoveStage = 'Home' | 'Arriving' | 'Leaving' | 'HandingOver' | 'HeldOff' | 'Left';

export function moveStage(record: Pick<GuestRecord, 'incoming' | 'outgoing'> | undefined): MoveStage {
  const { incoming, outgoing } = record ?? {};
  if (incoming !== undefined && incoming.home !== true) return 'Arriving';
  if (outgoing === undefined || outgoing.givenUp !== undefined) return 'Home';
  if (outgoing.handOver !== undefined) return outgoing.ahead === true ? 'HandingOver' : 'Left';
  if (outgoing.type === 'Live') return 'Leaving';
  return outgoing.held === undefined ? 'Home' : 'HeldOff';
}

/** A process that only waits for the guest, or that the guest has left, is not the guest. */
export function isShell(record: Pick<GuestRecord, 'incoming' | 'outgoing'>): boolean {
  const stage = moveStage(record);
  return stage === 'Arriving' || stage === 'Left';
}
