/** The others that strict rules keep with a guest, seen by whoever would move the guest: they come along, or it stays. Pure. */
import type { HAGroupSpec } from '../../api/kinds/haGroup.ts';
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import type { Rule } from '../ha/model.ts';
import { groupWishOf, setWishOf } from '../placement/group.ts';
import type { Membership } from '../placement/membership.ts';
import { guestId, guestView } from './guestViews.ts';

export type Member = {
  guest: StoredGuest;
  group: HAGroupSpec | undefined;
  migrations: readonly Stored<Migration>[];
};

export type SetSources = {
  membership: Pick<Membership, 'groupOf'>;
  migrationsOf(guest: string): readonly Stored<Migration>[];
  /** Those that go along when the guest moves. */
  companions(guest: StoredGuest): readonly StoredGuest[];
  /** Ids of all that strict rules keep with it, wherever they are. */
  bound(guest: StoredGuest): readonly string[];
};

/** Without the guest itself; nobody of a guest that is bound to none. */
export function othersOf(guest: StoredGuest, sources: SetSources): Member[] {
  return sources.companions(guest).map((other) => ({
    guest: other,
    group: sources.membership.groupOf(other)?.spec,
    migrations: sources.migrationsOf(guestId(other)),
  }));
}

/** The sets among these guests, for the choice of where they start: all of them fit there, or none goes. */
export function setRules(
  guests: readonly StoredGuest[],
  { bound, membership }: Pick<SetSources, 'bound' | 'membership'>,
  counts: (id: string) => boolean,
): Rule[] {
  const known = new Set<string>();
  return guests.flatMap((guest) => {
    const name = guestId(guest);
    if (known.has(name) || !asksForCompany(guest, membership.groupOf(guest)?.spec)) return [];
    const members = [name, ...bound(guest)].filter(counts);
    for (const id of members) known.add(id);
    return members.length > 1 ? [{ name, type: 'KeepTogether', strict: true, guests: members }] : [];
  });
}

function asksForCompany({ spec }: StoredGuest, group: HAGroupSpec | undefined): boolean {
  return [...(spec.placement?.keepTogether ?? []), group?.keepTogether].some(
    (rule) => rule?.policy === 'Required',
  );
}

/** Nothing is done to it or decided of it, by whomever. */
export function isAtRest({ guest, migrations }: Member): boolean {
  const { status } = guest;
  const state = guestView(guest)?.record.state;
  return (
    status?.lock === undefined &&
    status?.maintenance === undefined &&
    migrations.every(isOver) &&
    (state === undefined || RESTING.has(state))
  );
}

/** One of them did not come along the last time: that is not risked again for a better place before it is forgotten. */
export function wasParted(set: readonly Pick<Member, 'migrations'>[]): boolean {
  return set.some(({ migrations }) =>
    migrations.some(
      (one) => one.spec.follows !== undefined && isOver(one) && one.status?.phase !== 'Succeeded',
    ),
  );
}

export const RESTING: ReadonlySet<string> = new Set(['Started', 'Stopped', 'Disabled', 'Error']);

/** How much the groups of a set prefer a host, added up; `failback`: they ask to be moved back. */
export function wishOf(groups: readonly (HAGroupSpec | undefined)[]): {
  preference(host: string): number;
  failback: boolean;
} {
  const wishes = groups.map((spec) => groupWishOf(spec === undefined ? undefined : { name: '', spec }));
  const { preference, failback } = setWishOf(wishes);
  return { preference, failback: failback !== undefined };
}
