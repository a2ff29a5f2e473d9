/**
 * The guests of one round, sorted by what is to be done with them. Ten thousand that rest are not gone through again while their objects are the
 * same ones: it is a cache, and nothing that is decided.
 */
import { isProtected } from '../../api/ha.ts';
import type { StoredGuest } from '../guests.ts';
import { type GuestView, RULE_BROKEN } from '../ha/model.ts';
import type { Membership } from '../placement/membership.ts';
import { type GuestIndex, guestId, guestView, indexGuests, isDeleted, isWatched } from './guestViews.ts';

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

/** Sorts guests; the last answer again while the same objects are given and no group has changed. */
export function createSorter(
  membership: Pick<Membership, 'groupOf' | 'version'>,
): (guests: readonly StoredGuest[]) => Crowd {
  let last: { guests: readonly StoredGuest[]; version: number; crowd: Crowd } | undefined;
  return (guests) => {
    const version = membership.version();
    if (last?.version !== version || !isSame(last.guests, guests))
      last = { guests, version, crowd: sort(guests, membership) };
    return last.crowd;
  };
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index]);
}

function sort(guests: readonly StoredGuest[], { groupOf }: Pick<Membership, 'groupOf'>): Crowd {
  const watched = new Map<string, StoredGuest>();
  const views: GuestView[] = [];
  const released: StoredGuest[] = [];
  const restless: StoredGuest[] = [];
  for (const guest of guests) {
    const traits = traitsOf(guest);
    if (traits.isReleased) released.push(guest);
    if (traits.watchedAs === undefined) continue;
    watched.set(traits.watchedAs, guest);
    const view = guestView(guest);
    const group = groupOf(guest)?.name;
    if (view !== undefined) views.push(isDeleted(guest) ? view : withGroup(view, group));
    if (traits.isRestless || group !== undefined) restless.push(guest);
  }
  return { watched, views, index: indexGuests(watched.values()), released, restless };
}

/** As its object says, unless a group has selected it. */
export function withGroup(view: GuestView, group: string | undefined): GuestView {
  return group === undefined || view.group !== undefined ? view : { ...view, group };
}

/** What one object alone says of its guest. */
type Traits = { watchedAs: string | undefined; isReleased: boolean; isRestless: boolean };

/** Objects of informers are never changed: where one guest of ten thousand is another, only that is read. */
const traits = new WeakMap<StoredGuest, Traits>();

function traitsOf(guest: StoredGuest): Traits {
  const known = traits.get(guest);
  if (known !== undefined) return known;
  const { spec, status } = guest;
  const found = {
    watchedAs: isWatched(guest) ? guestId(guest) : undefined,
    isReleased: status?.ha !== undefined && !isProtected(spec.ha),
    isRestless: isRestless(guest),
  };
  traits.set(guest, found);
  return found;
}

function isRestless({ spec, status }: StoredGuest): boolean {
  const { keepTogether = [], keepApart = [] } = spec.placement ?? {};
  return (
    spec.ha?.group !== undefined ||
    [...keepTogether, ...keepApart].some(({ policy }) => policy === 'Required') ||
    status?.ha?.reason === RULE_BROKEN ||
    status?.startFailure !== undefined ||
    status?.ha?.attempts !== undefined
  );
}
