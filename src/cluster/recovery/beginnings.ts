/**
 * Where protected guests that are off are started, if the ClusterPolicy asks for the best host: while one is still off, and its agent waits for the
 * word, it is moved there by a Migration as any other, and told to start where it arrives. Nobody is taken from a host here: whatever becomes of the
 * move, the guest is where its own two hosts have it, and after one try it starts there.
 */
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { hasJustBegun } from '../ha/engine.ts';
import type { GuestView, HostView, View } from '../ha/model.ts';
import { beginRound, isPresent, type Round } from '../ha/round.ts';
import { GUESTS_A_ROUND } from '../ha/turns.ts';
import type { Verdict } from '../placement/choose.ts';
import { volumesLeftBehind } from './destinations.ts';
import { leftBehind } from './failback.ts';
import { guestView, isDeleted, isToRun } from './guestViews.ts';
import { moveName } from './starts.ts';

export type BeginningSources = {
  migrationsOf(guest: string): readonly Stored<Migration>[];
  destinations(guest: StoredGuest, moves: 'Live' | 'Offline'): readonly Verdict[];
  pool(name: string): Stored<StoragePool> | undefined;
  companions(guest: StoredGuest): readonly StoredGuest[];
};

/** Waits: it is being moved, or it cannot be said yet where it fits best. */
export type Beginning = 'Here' | 'Waits' | { to: string; name: string };

/** A move that could not begin by then is given up: to start is what was asked for. */
export const BEGIN_WITHIN_SECONDS = 15;

/** For one round, of all that are watched; what is answered for one guest counts for the next. */
export function createBeginnings(
  watched: ReadonlyMap<string, StoredGuest>,
  view: View,
  sources: BeginningSources,
): (id: string, guest: StoredGuest) => Beginning {
  let left = GUESTS_A_ROUND;
  let round: Round | undefined;
  const settings = new Map<string, { own: HostView; fitting: ReadonlySet<string> }>();

  /** Made when somebody asks for the first time, with those that are on their way. */
  const theRound = (): Round => {
    if (round !== undefined) return round;
    round = beginRound(view, undefined, ({ id }, { name }) => {
      const known = settings.get(id);
      return known?.own.name === name || known?.fitting.has(name) === true ? undefined : 'placement refuses';
    });
    for (const [id, guest] of watched) {
      const [known, to] = [view.guests.get(id), isOff(guest) ? movingTo(id, guest) : undefined];
      if (known !== undefined && to !== undefined) round.ledger.add(known, to);
    }
    return round;
  };
  const moveOf = (id: string, guest: StoredGuest) => {
    const name = nameOfMove(guest);
    return sources.migrationsOf(id).find(({ metadata }) => metadata.name === name);
  };
  const movingTo = (id: string, guest: StoredGuest): string | undefined => {
    const move = moveOf(id, guest);
    return move === undefined || isOver(move) ? undefined : move.spec.targetHost;
  };

  return (id, guest) => {
    const [known, own] = [view.guests.get(id), view.hosts.get(guest.status?.placement?.host ?? '')];
    if (known === undefined || own === undefined || !isPresent(own) || view.policy.haPaused !== undefined)
      return 'Here';
    const migrations = sources.migrationsOf(id);
    const move = moveOf(id, guest);
    if (move !== undefined) return isOver(move) ? 'Here' : 'Waits';
    if (!mayBeMoved(guest, known, own) || !migrations.every(isOver)) return 'Here';
    // A set starts where it is: of its others some may run there.
    if (sources.companions(guest).length > 0) return 'Here';
    if (volumesLeftBehind(guest, sources.pool) !== undefined) return 'Here';
    if (view.observer.isSuspect(own.name, view.now)) return 'Here';
    if (hasJustBegun(view) || left === 0) return 'Waits';
    left -= 1;
    const best = bestFor(known, guest, own);
    theRound().ledger.add(known, best);
    return best === own.name ? 'Here' : { to: best, name: nameOfMove(guest) };
  };

  function bestFor(known: GuestView, guest: StoredGuest, own: HostView): string {
    const { chooser, ledger } = theRound();
    const failed = leftBehind(sources.migrationsOf(known.id));
    const verdicts = sources.destinations(guest, 'Offline');
    const fitting = verdicts.flatMap(({ host, fits }) => (fits && !failed.has(host) ? [host] : []));
    settings.set(known.id, { own, fitting: new Set(fitting) });
    // It is wanted, so that its host counts as one that may start it at any moment.
    ledger.remove(known, own.name);
    const choice = chooser.choose([known], { first: own.name });
    return 'host' in choice ? choice.host : own.name;
  }
}

/** Is to run, and was off for sure when it was last decided about. */
export function isOff(guest: StoredGuest): boolean {
  return guestView(guest)?.record.state === 'Stopped' && isToRun(guest) && !isDeleted(guest);
}

function mayBeMoved(guest: StoredGuest, { id }: GuestView, own: HostView): boolean {
  const { lock, maintenance } = guest.status ?? {};
  return own.reported.get(id)?.state !== 'Running' && lock === undefined && maintenance === undefined;
}

function nameOfMove(guest: StoredGuest): string {
  return moveName(guest, `${guest.status?.placement?.epoch}-start`);
}
