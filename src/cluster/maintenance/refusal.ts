/** Why a guest cannot leave its host for any other. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { companionsOf, type SetSources } from '../migration/set.ts';
import { destinationsOf } from '../migration/target.ts';
import { reasonsOf, type Verdict } from '../placement/choose.ts';
import type { Scheduler } from '../placement/scheduler.ts';

/** What each other host says to the guest and its set. */
export function leaveVerdicts(
  guest: StoredGuest,
  source: Stored<Host>,
  moves: 'Live' | 'Offline',
  sources: SetSources & { scheduler: Pick<Scheduler, 'judge'> },
): Verdict[] {
  const companions = companionsOf(guest, { by: 'Maintenance', type: moves }, sources);
  return destinationsOf({ guest, source, moves, scheduler: sources.scheduler, companions });
}

/** Each other host with its reason; undefined when one takes the guest. */
export function leaveRefusal(
  guest: StoredGuest,
  source: Stored<Host>,
  moves: 'Live' | 'Offline',
  sources: SetSources & { scheduler: Pick<Scheduler, 'judge'> },
): string | undefined {
  const verdicts = leaveVerdicts(guest, source, moves, sources);
  if (verdicts.some(({ fits }) => fits)) return undefined;
  return verdicts.length === 0 ? 'there is no other Host' : reasonsOf(verdicts);
}
