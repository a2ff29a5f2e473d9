/**
 * One round of high availability: a view of the cluster in, decisions out. It keeps nothing and knows no clock but the view's, so that a new leader,
 * the simulator and a test all run the same lines. Each decision is written by compare-and-swap on the version it was made from.
 */
import { nextGuest } from './guests.ts';
import { judgeHosts } from './hosts.ts';
import type { Decision, EngineFlaw, GuestView, View } from './model.ts';
import { planMoves } from './moves.ts';
import { isQuorate } from './proofs.ts';
import { beginRound, isPresent, type Next, type Objection, type Round } from './round.ts';
import { createTurns, GUESTS_A_ROUND, type Turns } from './turns.ts';

export type EngineOptions = {
  /** What only the caller knows of a guest and a host, such as missing storage: why it cannot run there. */
  objection?: Objection;
  /** Guests that run are moved by nobody here: other controllers do that, or people. */
  leavesRunning?: boolean;
  /** Whose turn it is, from round to round; without it each round begins with the first. */
  turns?: Turns;
  /** Breaks one of the engine's checks: for the tests that must notice. */
  flaw?: EngineFlaw;
};

/**
 * What is to be written now, in this order; empty while there is nothing to do or this manager sees no majority. The caller holds the leader
 * lease, and has read all Leases consistently just before.
 */
export function decide(
  view: View,
  { objection, leavesRunning, turns = createTurns(), flaw }: EngineOptions = {},
): Decision[] {
  if (!isQuorate(view, flaw)) return [];
  const round = beginRound(view, flaw, objection);
  const decisions = judgeHosts(view, round.guestsOn, flaw);
  if (hasJustBegun(view)) return decisions;
  const decided = new Set<string>();
  let left = GUESTS_A_ROUND;
  for (const guest of turns.order(inOrder(view), ({ id }) => id)) {
    if (left === 0) return decisions;
    const { next, isWork } = workOn(guest, round);
    if (isWork) left -= 1;
    if (isWork && (next === undefined || next.record.state === guest.record.state)) turns.pass(guest.id);
    if (next === undefined) continue;
    decided.add(guest.id);
    decisions.push({ type: 'Guest', guest: guest.id, version: guest.version, ...next });
  }
  if (leavesRunning === true) return decisions;
  for (const { guest, next } of planMoves(round, decided))
    decisions.push({ type: 'Guest', guest: guest.id, version: guest.version, ...next });
  return decisions;
}

/**
 * A Lease that this manager found standing there may be that of a host which was lost before: where guests belong is decided by those who have heard
 * each host that is to be there, or have missed it. Who stands by has looked for long.
 */
export function hasJustBegun({ hosts, observer, now }: View): boolean {
  return [...hosts.values()].some(
    (host) => isPresent(host) && !observer.hasRenewed(host.name) && !observer.isSuspect(host.name, now),
  );
}

/** To go through all hosts for a guest is work, also when none takes it. */
function workOn(guest: GuestView, round: Round): { next: Next; isWork: boolean } {
  const before = round.chooser.searches();
  const next = nextGuest(guest, round);
  return { next, isWork: next !== undefined || round.chooser.searches() > before };
}

/** Important guests first: what is chosen for one counts for the next. */
function inOrder({ guests }: View): GuestView[] {
  const all = [...guests.values()];
  return all.some(({ priority }) => priority !== 0) ? all.toSorted((a, b) => b.priority - a.priority) : all;
}
