/** When a move is forgotten and the guest is another host's, what stands here goes as it does for any guest that has left. */
import type { DepartDeps } from '../guests/depart.ts';
import { noteOrphan, releaseRecord } from '../guests/farewell.ts';
import type { GuestRecord } from '../record.ts';
import type { MovePass, MoveWorld } from './world.ts';

export function departDepsOf(
  { guests }: MoveWorld,
  { mover, handle, guest, signal }: MovePass,
  record: GuestRecord,
): DepartDeps {
  return {
    host: guests.host,
    isTrusted: () => guests.controlPlane.trust().type === 'Trusted',
    readGuest: () => mover.read(guest, signal),
    observe: () => mover.observe(handle),
    kill: (process) => mover.kill(process),
    release: () => releaseRecord(guests, handle.id),
    noteOrphan: (isOrphan) => noteOrphan(guests, record, isOrphan),
  };
}
