/**
 * Guests that run are moved from full hosts to empty ones, if the ClusterPolicy asks for it: one guest or set at a time, after the imbalance has lasted, and only
 * by moves that lower it by enough. It falls with each of them, so that nothing is moved to and fro, and whoever has been moved is not in the way
 * of rules, groups and returns: it goes only where these would have it as well.
 */
import { isOver } from '../../api/kinds/migration.ts';
import type { StoredGuest } from '../guests.ts';
import { fill, imbalance } from '../ha/evenness.ts';
import { createLedger, type Ledger } from '../ha/ledger.ts';
import type { GuestView, HostView, View } from '../ha/model.ts';
import { isPresent } from '../ha/round.ts';
import { GUESTS_A_ROUND } from '../ha/turns.ts';
import { howItMoves } from '../migration/how.ts';
import { leftBehind } from './failback.ts';
import { guestId, isDeleted } from './guestViews.ts';
import { AGAIN_MS, isSteady, type MoveEars, type MoveSources } from './moves.ts';
import { isAtRest, othersOf, RESTING, wasParted, wishOf } from './sets.ts';
import { moveName, runs } from './starts.ts';
import { type WriteContext, writeMove } from './write.ts';

export type BalanceFacts = {
  /** By id. */
  watched: ReadonlyMap<string, StoredGuest>;
  /** Guests may be given to it: neither a witness nor unschedulable. */
  isOpen(host: string): boolean;
  /** Nothing else was decided in this round. */
  isCalm: boolean;
};

/** Who has no figure after this will have none. */
const MEASURED_WITHIN_MS = 180_000;

type Move = { guest: StoredGuest; to: string; name: string; after: number };

export async function balanceGuests(
  { watched, isOpen, isCalm }: BalanceFacts,
  view: View,
  sources: MoveSources,
  context: WriteContext,
  ears: MoveEars,
): Promise<void> {
  const { automatic, threshold, margin, holdMs } = view.policy.rebalancing;
  if (!automatic || view.policy.haPaused !== undefined) return;
  if (view.since('balance', true) < AGAIN_MS && isCalm) return;
  view.since('balance', false);
  const ledger = createLedger(view);
  const hosts = [...view.hosts.values()].filter(({ name }) => isOpen(name));
  const before = isCalm ? imbalance(hosts, ledger, view) : 0;
  const hasFigures = isMeasured();
  const mayMove = before > threshold && hasFigures && isQuiet();
  const held = view.since('imbalance', mayMove);
  if (!mayMove || held < holdMs) return;
  const best = bestMove();
  if (best === undefined) return;
  // The next one waits as long as the first: what this one has changed is to be seen before.
  view.since('imbalance', false);
  const { guest, to, name, after } = best;
  await writeMove(guest, { to, name, type: howItMoves(guest) }, context);
  const from = guest.status?.placement?.host;
  ears.event(
    'Normal',
    'GuestBalanced',
    `${guestId(guest)} goes from ${from} to ${to}: imbalance ${before.toFixed(2)} becomes ${after.toFixed(2)}`,
  );

  /** By Load: a guest that has just come somewhere counts as what it asks for until it is measured, which may be far from what it uses. */
  function isMeasured(): boolean {
    if (view.policy.rebalancing.by !== 'Load') return true;
    const waits = [...view.guests.values()].map(({ id, wanted, record, load }) => {
      const isDue = wanted === 'Started' && load === undefined;
      const waited = view.since(`unmeasured/${id}/${record.placement?.host}`, isDue);
      return isDue && waited < MEASURED_WITHIN_MS;
    });
    return !waits.includes(true);
  }

  /** Every host is there, and no guest is on its way: who moves or is to be recovered will change the picture by itself. */
  function isQuiet(): boolean {
    return (
      [...view.hosts.values()].every(isPresent) &&
      hosts.every(({ name }) => isSteady(name, view)) &&
      [...view.guests.values()].every(({ record }) => RESTING.has(record.state)) &&
      [...watched.keys()].every((id) => sources.migrationsOf(id).every(isOver))
    );
  }

  /** From the fullest host on which one can be found; of its guests the one that evens out most. */
  function bestMove(): Move | undefined {
    let left = GUESTS_A_ROUND;
    for (const from of byFill(hosts, ledger, view)) {
      let best: Move | undefined;
      for (const id of [...ledger.guestsOn(from.name)].sort()) {
        const [guest, known] = [watched.get(id), view.guests.get(id)];
        if (guest === undefined || known === undefined || !mayBeMoved(guest, known, from.name)) continue;
        if (left === 0) return best;
        left -= 1;
        const move = moveOf(guest, known, from);
        if (move !== undefined && (best === undefined || move.after < best.after)) best = move;
      }
      if (best !== undefined) return best;
    }
    return undefined;
  }

  function moveOf(guest: StoredGuest, known: GuestView, from: HostView): Move | undefined {
    const migrations = sources.migrationsOf(known.id);
    const name = moveName(guest, `${guest.status?.placement?.epoch}-even`);
    if (migrations.some(({ metadata }) => metadata.name === name)) return undefined;
    const others = othersOf(guest, sources);
    if (!others.every((other) => isAtRest(other) && mayComeAlong(other.guest, from.name))) return undefined;
    if (wasParted([{ migrations }, ...others])) return undefined;
    const set = [known, ...others.flatMap((other) => view.guests.get(guestId(other.guest)) ?? [])];
    const left = leftBehind([migrations, ...others.map((other) => other.migrations)].flat());
    const { preference } = wishOf([guest, ...others.map((other) => other.guest)].map(groupOf));
    const isLiked = (host: string) => preference(host) >= preference(from.name);
    const fitting = new Set(
      sources.destinations(guest, howItMoves(guest)).flatMap(({ host, fits }) => (fits ? [host] : [])),
    );
    const to = byFill(hosts, ledger, view).findLast(
      ({ name: host }) => fitting.has(host) && !left.has(host) && isLiked(host),
    );
    if (to === undefined) return undefined;
    const after = imbalanceWith(set, from.name, to.name);
    return before - after >= margin ? { guest, to: to.name, name, after } : undefined;
  }

  function groupOf(guest: StoredGuest) {
    return sources.membership.groupOf(guest)?.spec;
  }

  function mayComeAlong(guest: StoredGuest, from: string): boolean {
    const known = view.guests.get(guestId(guest));
    return known?.wanted === 'Started'
      ? mayBeMoved(guest, known, from)
      : guest.status?.placement?.host === from;
  }

  function imbalanceWith(set: readonly GuestView[], from: string, to: string): number {
    const shift = (here: string, there: string) => {
      for (const guest of set) ledger.remove(guest, here);
      for (const guest of set) ledger.add(guest, there);
    };
    shift(from, to);
    const after = imbalance(hosts, ledger, view);
    shift(to, from);
    return after;
  }
}

function mayBeMoved(guest: StoredGuest, { record, wanted }: GuestView, from: string): boolean {
  const { lock, maintenance } = guest.status ?? {};
  return (
    wanted === 'Started' &&
    record.state === 'Started' &&
    record.placement?.host === from &&
    record.reason === undefined &&
    runs(guest) &&
    !isDeleted(guest) &&
    lock === undefined &&
    maintenance === undefined
  );
}

/** The fullest first; of equals the first by name, as hosts are given. */
function byFill(hosts: readonly HostView[], ledger: Ledger, view: View): HostView[] {
  return hosts.toSorted((a, b) => fill(b, ledger, view) - fill(a, ledger, view));
}
