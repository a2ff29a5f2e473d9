/** Where a guest that runs goes back to, if its group asks for that. Pure. */
import type { HAGroupSpec } from '../../api/kinds/haGroup.ts';
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import type { Verdict } from '../placement/choose.ts';
import { guestView } from './guestViews.ts';
import { isAtRest, type Member, wasParted, wishOf } from './sets.ts';
import { moveName, runs } from './starts.ts';

export type FailbackFacts = {
  guest: StoredGuest;
  group: HAGroupSpec | undefined;
  migrations: readonly Stored<Migration>[];
  /** Those that come along. */
  others: readonly Member[];
  /** The host is there, and has been for a while. */
  isSteady(host: string): boolean;
  /** Hosts it could move to. */
  verdicts(): readonly Verdict[];
};

/**
 * A host of higher priority that takes the guest with its set, and the name of the one move from its present placement: one that failed is not repeated before
 * it is forgotten. Never a host that the guest was sent away from because it did not start there.
 */
export function planFailback({
  guest,
  group,
  migrations,
  others,
  isSteady,
  verdicts,
}: FailbackFacts): { to: string; name: string } | undefined {
  const { placement, maintenance, lock } = guest.status ?? {};
  if (group?.failback !== true || placement === undefined) return undefined;
  if (guestView(guest)?.record.state !== 'Started' || !runs(guest)) return undefined;
  // Maintenance brings back itself what it has moved.
  if (maintenance !== undefined || lock !== undefined) return undefined;
  const name = moveName(guest, `${placement.epoch}-back`);
  if (migrations.some((one) => !isOver(one) || one.metadata.name === name)) return undefined;
  // A set that is parted comes together first.
  if (others.some((other) => !isAtRest(other) || other.guest.status?.placement?.host !== placement.host))
    return undefined;
  if (wasParted([{ migrations }, ...others])) return undefined;
  const groups = [group, ...others.map((other) => other.group)];
  const { preference, failback } = wishOf(groups);
  if (!failback) return undefined;
  const left = leftBehind([migrations, ...others.map((other) => other.migrations)].flat());
  const current = preference(placement.host);
  const better = [...new Set(groups.flatMap((one) => one?.hosts.map(({ name }) => name) ?? []))]
    .filter((host) => preference(host) > current && isSteady(host) && !left.has(host))
    .sort((a, b) => preference(b) - preference(a) || (a < b ? -1 : 1));
  if (better.length === 0) return undefined;
  const fitting = new Set(verdicts().flatMap(({ host, fits }) => (fits ? [host] : [])));
  const to = better.find((host) => fitting.has(host));
  return to === undefined ? undefined : { to, name };
}

/** Hosts that the guest, or one whose set it is of, was sent away from because it did not start there, as long as these moves are kept. */
export function leftBehind(migrations: readonly Stored<Migration>[]): ReadonlySet<string | undefined> {
  return new Set(
    migrations
      .filter(({ metadata, spec }) => isRelocation(spec.follows?.name ?? metadata.name))
      .map(({ status }) => status?.sourceHost),
  );
}

function isRelocation(name: string): boolean {
  return name.startsWith('ha-') && !/-(back|rule|even|start)$/.test(name);
}
