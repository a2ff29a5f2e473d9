/**
 * Moves that high availability asks for, as Migrations that the two hosts carry out as any other: away from where a guest does not start, and back
 * to where its group prefers it. They are named after the placement they begin from, so that another leader, or the same round again, makes none twice.
 */
import type { HAGroupSpec } from '../../api/kinds/haGroup.ts';
import type { StoredGuest } from '../guests.ts';
import { NO_LIFE, type View } from '../ha/model.ts';
import { isPresent } from '../ha/round.ts';
import { without } from '../ha/states.ts';
import { howItMoves } from '../migration/how.ts';
import type { Verdict } from '../placement/choose.ts';
import type { Membership } from '../placement/membership.ts';
import { planFailback } from './failback.ts';
import { guestId, guestView, isDeleted } from './guestViews.ts';
import { othersOf, type SetSources } from './sets.ts';
import { explainAttempts, limitsOf, planStart, runs } from './starts.ts';
import { type WriteContext, writeGuest, writeMove } from './write.ts';

/** A run that has lasted so long is no failed start any more. */
const HELD_MS = 60_000;
/** Nothing goes back before it, and the host, have stood still for so long. */
export const STEADY_MS = 30_000;
/** What tells nobody, such as room elsewhere, is looked at again after this. */
export const AGAIN_MS = 10_000;

export type MoveSources = SetSources & {
  membership: Pick<Membership, 'groupOf' | 'version'>;
  /** Where the guest could move to from its host, and its set with it. */
  destinations(guest: StoredGuest, moves: 'Live' | 'Offline'): readonly Verdict[];
};

export type MoveEars = {
  wrote(guest: StoredGuest): void;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
};

/** For guests of which nothing else was decided in this round. */
export async function moveGuests(
  guests: Iterable<StoredGuest>,
  view: View,
  sources: MoveSources,
  context: WriteContext,
  ears: MoveEars,
): Promise<void> {
  if (view.policy.haPaused !== undefined) return;
  for (const name of view.hosts.keys()) isSteady(name, view);
  /** Who comes along with one whose move was asked for in this round. */
  const coming = new Set<StoredGuest>();
  for (const guest of guests) {
    const host = view.hosts.get(guest.status?.placement?.host ?? '');
    if (
      isDeleted(guest) ||
      host === undefined ||
      !isPresent(host) ||
      view.observer.isSuspect(host.name, view.now)
    )
      continue;
    const group = sources.membership.groupOf(guest)?.spec;
    if (await afterFailures(guest, group)) continue;
    if (!coming.has(guest)) await goBack(guest, group);
  }

  async function afterFailures(guest: StoredGuest, group: HAGroupSpec | undefined): Promise<boolean> {
    const record = guestView(guest)?.record;
    const limits = limitsOf(guest.spec.ha, group);
    const id = guestId(guest);
    if (record === undefined) return true;
    if (record.attempts !== undefined && record.state === 'Started') {
      const isHeld = runs(guest) && guest.status?.startFailure === undefined;
      if (view.since(`held/${id}`, isHeld) >= HELD_MS && isHeld) {
        if ((await writeGuest(guest, without(record, 'attempts'), context)) === 'Written') ears.wrote(guest);
        return true;
      }
    }
    if (limits === undefined || guest.status?.startFailure === undefined) return false;
    const plan = planStart({
      ...{ guest, limits, group },
      migrations: sources.migrationsOf(id),
      others: othersOf(guest, sources),
      verdicts: () => sources.destinations(guest, 'Offline'),
    });
    switch (plan?.type) {
      case undefined:
        return false;
      case 'Note':
        if ((await writeGuest(guest, { ...record, attempts: plan.attempts }, context)) === 'Written')
          ears.wrote(guest);
        return true;
      case 'Move':
        await writeMove(guest, { ...plan, type: 'Offline' }, context);
        for (const other of sources.companions(guest)) coming.add(other);
        ears.event('Warning', 'GuestRelocated', `${id} does not start: it goes to ${plan.to}`);
        return true;
      case 'GiveUp': {
        const { host = '', epoch = 0 } = record.placement ?? {};
        const reason = `StartFailed: on ${explainAttempts(plan.attempts)}: see what its hosts say, then set spec.ha.mode to Disabled and back`;
        // Without the life of its host in the placement no start passes the gate there any more.
        const placement = { host, epoch, ...NO_LIFE };
        const error = { state: 'Error', placement, attempts: plan.attempts, reason } as const;
        if ((await writeGuest(guest, error, context)) === 'Written') ears.wrote(guest);
        ears.event('Warning', 'GuestError', `${id}: ${reason}`);
        return true;
      }
    }
  }

  async function goBack(guest: StoredGuest, group: HAGroupSpec | undefined): Promise<void> {
    if (group?.failback !== true) return;
    const id = guestId(guest);
    if (view.since(`runs/${id}`, runs(guest)) < STEADY_MS) return;
    if (view.since(`back/${id}`, true) < AGAIN_MS) return;
    view.since(`back/${id}`, false);
    const type = howItMoves(guest);
    const others = othersOf(guest, sources);
    const plan = planFailback({
      ...{ guest, group, others, isSteady: (host) => isSteady(host, view) },
      migrations: sources.migrationsOf(id),
      verdicts: () => sources.destinations(guest, type),
    });
    if (plan === undefined) return;
    await writeMove(guest, { ...plan, type }, context);
    for (const other of others) coming.add(other.guest);
    ears.event('Normal', 'GuestFailsBack', `${id} goes back to ${plan.to}, which its group prefers`);
  }
}

/** The host takes guests, and has for a while. Asked in each round: it is measured from the first in which it was so. */
export function isSteady(name: string, view: View): boolean {
  const host = view.hosts.get(name);
  const isThere =
    host !== undefined &&
    host.record.state === 'Online' &&
    host.ready &&
    !host.maintenance &&
    !view.observer.isSuspect(name, view.now);
  return view.since(`steady/${name}`, isThere) >= STEADY_MS && isThere;
}
