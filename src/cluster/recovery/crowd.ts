/**
 * The guests of one round, sorted by what is to be done with them. Ten thousand that rest are not gone through again while their objects are the
 * same ones: it is a cache, and nothing that is decided.
 */
import { isProtected } from '../../api/ha.ts';
import type { StoredGuest } from '../guests.ts';
import { type GuestView, RULE_BROKEN } from '../ha/model.ts';
import { type GuestIndex, guestId, guestView, indexGuests, isWatched } from './guestViews.ts';

export type Crowd = {
  /** By id. */
  watched: ReadonlyMap<string, StoredGuest>;
  /** Of those watched, the ones of which something is stored. */
  views: readonly GuestView[];
  index: GuestIndex;
  /** Something is stored of them, and they are not protected any more. */
  released: readonly StoredGuest[];
  /** Whom it may be for high availability to move: they do not start, or have a group or strict rules. */
  restless: readonly StoredGuest[];
};

/** Sorts guests; the last answer again while the same objects are given. */
export function createSorter(): (guests: readonly StoredGuest[]) => Crowd {
  let last: { guests: readonly StoredGuest[]; crowd: Crowd } | undefined;
  return (guests) => {
    if (last === undefined || !isSame(last.guests, guests)) last = { guests, crowd: sort(guests) };
    return last.crowd;
  };
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index]);
}

function sort(guests: readonly StoredGuest[]): Crowd {
  const watched = new Map(guests.filter(isWatched).map((guest) => [guestId(guest), guest]));
  const all = [...watched.values()];
  return {
    watched,
    views: all.flatMap((guest) => guestView(guest) ?? []),
    index: indexGuests(all),
    released: guests.filter(({ spec, status }) => status?.ha !== undefined && !isProtected(spec.ha)),
    restless: all.filter(
      ({ spec, status }) =>
        spec.ha?.group !== undefined ||
        [...(spec.placement?.keepTogether ?? []), ...(spec.placement?.keepApart ?? [])].some(
          ({ policy }) => policy === 'Required',
        ) ||
        status?.ha?.reason === RULE_BROKEN ||
        status?.startFailure !== undefined ||
        status?.ha?.attempts !== undefined,
    ),
  };
}
