/**
 * Strict rules that guests which run have broken, because a rule or a group was changed or because they came together before it: mended by as few
 * Migrations as may be, one guest or set after the other. Each is looked at anew once the one before is over, so that nobody moves for whom it was enough that
 * another did, and each goes only where its own rules hold, so that none is moved back. What cannot be mended says so, and whom it concerns.
 */
import { isOver } from '../../api/kinds/migration.ts';
import type { StoredGuest } from '../guests.ts';
import { RULE_BROKEN, type View } from '../ha/model.ts';
import { without } from '../ha/states.ts';
import { GUESTS_A_ROUND } from '../ha/turns.ts';
import { howItMoves } from '../migration/how.ts';
import { reasonsOf, type Verdict } from '../placement/choose.ts';
import { type Bound, indexBonds } from './bonds.ts';
import { leftBehind } from './failback.ts';
import { guestId, guestView, isDeleted } from './guestViews.ts';
import { AGAIN_MS, isSteady, type MoveEars, type MoveSources, STEADY_MS } from './moves.ts';
import { isAtRest, othersOf, wasParted, wishOf } from './sets.ts';
import { bestOf, moveName, runs } from './starts.ts';
import { type WriteContext, writeGuest, writeMove } from './write.ts';

export type MendSources = MoveSources & {
  /** The strict rule that the guest breaks where it is, to be read after its host's name. */
  breach(guest: StoredGuest): string | undefined;
};

type Broken = {
  guest: StoredGuest;
  breach: string;
  /** Others that the same rules are about. */
  concerns: readonly string[];
  /** Two of its rules contradict each other. */
  isContradictory: boolean;
};

type Mending = {
  guest: StoredGuest;
  breach: string;
  to: string;
  name: string;
  type: 'Live' | 'Offline';
  /** So many guests move. */
  moves: number;
  /** How much more the groups of the set prefer the host. */
  gain: number;
};

/** `restless`: of which nothing else was decided in this round. `watched`: all that are protected, by id. */
export async function mendRules(
  restless: readonly StoredGuest[],
  watched: ReadonlyMap<string, StoredGuest>,
  view: View,
  sources: MendSources,
  context: WriteContext,
  ears: MoveEars,
): Promise<void> {
  if (view.policy.haPaused !== undefined) return;
  if (view.since('rules', true) < AGAIN_MS) return;
  let left = GUESTS_A_ROUND;
  await mendOrNote();
  // The next round says the rest.
  if (left > 0) view.since('rules', false);

  async function mendOrNote(): Promise<void> {
    const breaches = restless.flatMap((guest) => {
      const breach = isDeleted(guest) ? undefined : sources.breach(guest);
      return breach === undefined ? [] : [{ guest, breach }];
    });
    const bonds = breaches.length === 0 ? undefined : indexBonds(watched, sources.membership.groupOf);
    const broken = breaches.map((one) => ({ ...one, ...concernsOf(one.guest, bonds?.of(one.guest) ?? []) }));
    const ids = new Set(broken.map(({ guest }) => guestId(guest)));
    for (const guest of restless) {
      if (ids.has(guestId(guest))) continue;
      view.since(`ruled/${guestId(guest)}`, false);
      await note(guest, undefined);
    }
    if (broken.some(({ guest }) => migrationsOf(guest).some((one) => !isOver(one)))) return;
    const obstacles = new Map<StoredGuest, string>();
    let best: Mending | undefined;
    for (const one of broken.toSorted(rather)) {
      const found = mendingOf(one);
      if (typeof found === 'string') obstacles.set(one.guest, `${one.breach}${among(one)}: ${found}`);
      else if (found !== undefined && (best === undefined || isRather(found, best))) best = found;
      if (best?.moves === 1 && best.gain >= 0) break;
    }
    if (best !== undefined) {
      const { guest, breach, to, name, type } = best;
      await writeMove(guest, { to, name, type }, context);
      ears.event('Normal', 'RuleMended', `${guestId(guest)} goes to ${to}: its host ${breach}`);
      return;
    }
    for (const [guest, message] of obstacles)
      await note(guest, `${RULE_BROKEN}: ${guest.status?.placement?.host} ${message}`.slice(0, 1_000));
  }

  /** The move, or why there is none; undefined: it is looked at again later. */
  function mendingOf({ guest, breach, isContradictory }: Broken): Mending | string | undefined {
    if (isContradictory) return 'its rules ask for both, remove one of them';
    const { placement, lock, maintenance } = guest.status ?? {};
    if (placement === undefined || lock !== undefined || maintenance !== undefined) return undefined;
    if (guestView(guest)?.record.state !== 'Started' || !runs(guest)) return undefined;
    if (view.since(`ruled/${guestId(guest)}`, true) < STEADY_MS || !isSteady(placement.host, view))
      return undefined;
    const name = moveName(guest, `${placement.epoch}-rule`);
    if (migrationsOf(guest).some(({ metadata }) => metadata.name === name))
      return `Migration ${name} did not come about, see there; it is tried again when that is deleted`;
    const others = othersOf(guest, sources);
    if (!others.every((other) => isAtRest(other) && isSteady(hostOf(other.guest), view))) return undefined;
    const groups = [guest, ...others.map((other) => other.guest)].map(
      (one) => sources.membership.groupOf(one)?.spec,
    );
    const type = howItMoves(guest);
    // Back to where one of them did not start it would be sent away again.
    const left = leftBehind([migrationsOf(guest), ...others.map((other) => other.migrations)].flat());
    const verdicts = sources
      .destinations(guest, type)
      .map((verdict) => (left.has(verdict.host) ? refused(verdict.host) : verdict));
    const to = bestOf(
      verdicts.filter(({ host }) => isSteady(host, view)),
      groups,
    );
    if (to === undefined) return `no other host will do: ${reasonsOf(verdicts)}`;
    const coming = others.filter((other) => hostOf(other.guest) !== to);
    // Whom the others would come to as well is not sent from host to host.
    if (coming.length > 0 && wasParted([{ migrations: migrationsOf(guest) }, ...others]))
      return `it could go to ${to}, but not alone, and one of its set did not come along the last time; it is tried again when that Migration is deleted`;
    const { preference } = wishOf(groups);
    const gain = preference(to) - preference(placement.host);
    return { ...{ guest, breach, to, name, type, gain }, moves: coming.length + 1 };
  }

  /** Says what cannot be mended, or takes it back. */
  async function note(guest: StoredGuest, reason: string | undefined): Promise<void> {
    const record = guestView(guest)?.record;
    const known = record?.reason?.startsWith(RULE_BROKEN) === true ? record.reason : undefined;
    if (record?.state !== 'Started' || known === reason || left === 0) return;
    left -= 1;
    const next = reason === undefined ? without(record, 'reason') : { ...record, reason };
    if ((await writeGuest(guest, next, context)) === 'Written') ears.wrote(guest);
  }

  function migrationsOf(guest: StoredGuest) {
    return sources.migrationsOf(guestId(guest));
  }
}

/** The fewest moves; of equals the one to where groups would have it, so that nothing fails back afterwards. */
function isRather(a: Mending, b: Mending): boolean {
  return a.moves < b.moves || (a.moves === b.moves && a.gain > b.gain);
}

/** Who breaks the most moves first: that may be enough for all others. Of equals the less important. */
function rather(a: Broken, b: Broken): number {
  return (
    b.concerns.length - a.concerns.length ||
    (a.guest.spec.ha?.priority ?? 0) - (b.guest.spec.ha?.priority ?? 0) ||
    (guestId(a.guest) < guestId(b.guest) ? 1 : -1)
  );
}

function refused(host: string): Verdict {
  return { host, fits: false, filter: 'Caller', reason: 'is where one of its set did not start' };
}

function hostOf({ status }: StoredGuest): string {
  return status?.placement?.host ?? '';
}

function among({ concerns }: Broken): string {
  return concerns.length === 0 ? '' : ` (${concerns.slice(0, 8).join(', ')})`;
}

function concernsOf(
  guest: StoredGuest,
  bound: readonly Bound[],
): Pick<Broken, 'concerns' | 'isContradictory'> {
  const isHere = (other: StoredGuest) => other.status?.placement?.host === guest.status?.placement?.host;
  return {
    concerns: bound.flatMap(({ other, isApart, isTogether }) =>
      (isHere(other) ? isApart : isTogether) ? [guestId(other)] : [],
    ),
    isContradictory: bound.some(({ isApart, isTogether }) => isApart && isTogether),
  };
}
