/** Why a guest cannot leave its host for any other. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { destinationsOf } from '../migration/target.ts';
import { reasonsOf } from '../placement/choose.ts';
import type { Scheduler } from '../placement/scheduler.ts';

/** Each other host with its reason; undefined when one takes the guest. */
export function leaveRefusal(
  guest: StoredGuest,
  source: Stored<Host>,
  moves: 'Live' | 'Offline',
  scheduler: Pick<Scheduler, 'judge'>,
): string | undefined {
  const verdicts = destinationsOf({ guest, source, moves, scheduler });
  if (verdicts.some(({ fits }) => fits)) return undefined;
  return verdicts.length === 0 ? 'there is no other Host' : reasonsOf(verdicts);
}
