/** A look in the words of the driver contract; a guest that came to its end is put away first, so that Off means no process. */
import type { GuestHandle, GuestObservation } from '../contract.ts';
import type { QemuContext } from './context.ts';
import { reap } from './end.ts';
import { type Look, look } from './look.ts';

/** Observes guests; two observers put a finished guest away once. */
export function createObserver(context: QemuContext): (guest: GuestHandle) => Promise<GuestObservation> {
  const reaping = new Map<string, Promise<void>>();
  const putAway = (guest: GuestHandle, ended: 'PoweredOff' | 'Crashed') => {
    const underWay = reaping.get(guest.id);
    if (underWay !== undefined) return underWay;
    const work = reap(context, guest, ended).finally(() => reaping.delete(guest.id));
    reaping.set(guest.id, work);
    return work;
  };
  return async (guest) => {
    const seen = await look(context, guest);
    if (seen.type !== 'Standing' || (seen.state !== 'PoweredOff' && seen.state !== 'Crashed')) {
      return observation(seen);
    }
    await putAway(guest, seen.state);
    return observation(await look(context, guest));
  };
}

function observation(seen: Look): GuestObservation {
  switch (seen.type) {
    case 'Gone':
      return seen.ended === undefined ? { state: 'Off' } : { state: 'Off', ended: seen.ended };
    case 'Unmanageable': {
      const { reason, message, process } = seen;
      return { state: 'Unmanageable', reason, message, ...(process === undefined ? {} : { killable: true }) };
    }
    case 'Standing': {
      const { state, process, startedAt, agentConnected, storageFailed } = seen;
      const failed = storageFailed ? { storageFailed } : {};
      if (state !== 'PoweredOff' && state !== 'Crashed')
        return { state, process, startedAt, agentConnected, ...failed };
      const message = 'the guest has ended and its process is being put away';
      return { state: 'Unmanageable', reason: 'Ending', message };
    }
  }
}
