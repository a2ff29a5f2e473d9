/** Keeps `status.availability` of guests with `ha`: written when they go down, come up, or a day ends. */
import { isProtected } from '../../api/ha.ts';
import type { KindRef, Stored } from '../../api/meta.ts';
import { done, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Controller } from '../../runtime/contract.ts';
import type { Guest, StoredGuest } from '../guests.ts';
import { type AvailabilityState, countOn, untilNextDay } from './count.ts';

/** States of high availability in which what the guest's host last said of it is not to be relied on, or is no running. */
const AWAY = new Set(['Fencing', 'Recovering', 'Starting', 'Error']);

/** For one kind of guests; `isToRun` by the run strategy and the last request. */
export function availabilityController<T extends Guest>(
  kind: KindRef<T>,
  informer: Informer<T>,
  isToRun: (guest: StoredGuest) => boolean,
): Controller<T> {
  return {
    name: `availability-${kind.kind.toLowerCase()}`,
    kind,
    informer,
    writes: ['status.availability'],
    selects: ({ spec, status }) => spec.ha !== undefined || status?.availability !== undefined,
    reconcile: async ({ object, now }) => {
      const { availability: before, ...rest } = object.status ?? {};
      if (object.spec.ha === undefined) return { outcome: done, status: rest as T['status'] };
      const state = stateOf(object as Stored<Guest>, isToRun);
      // Until it has run for the first time it is being made.
      if (before === undefined && state !== 'Up') return { outcome: done };
      const availability = countOn(before, state, now);
      const status = { ...object.status, availability } as T['status'];
      return { outcome: waiting('Counting', '', untilNextDay(now)), status };
    },
  };
}

function stateOf(guest: StoredGuest, isToRun: (guest: StoredGuest) => boolean): AvailabilityState {
  const { spec, status } = guest;
  if (!isProtected(spec.ha) || !isToRun(guest)) return 'NotExpected';
  const runs = findCondition(status?.conditions, 'Running')?.status === 'True';
  return runs && !AWAY.has(status?.ha?.state ?? '') ? 'Up' : 'Down';
}
