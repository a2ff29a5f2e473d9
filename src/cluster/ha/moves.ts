/**
 * Moves of guests that run where they are: a person's, evacuation and the way back, broken rules, failback, balance. One reason at a time for a
 * guest, sets move as one, and nothing moves that would be moved back.
 */
import { imbalance } from './evenness.ts';
import { CANNOT_LEAVE, type GuestView, type HostView, type MoveReason } from './model.ts';
import { isStoppedForSure } from './place.ts';
import { hostOf, isGoneWithItsLife, isPresent, type Next, placeOn, type Round, reportOf } from './round.ts';
import { shutdownCourse } from './shutdown.ts';
import { moveGuest, without } from './states.ts';

export type Move = { guest: GuestView; next: NonNullable<Next> };

/** Moves that begin in this round. `busy`: guests already decided. */
export function planMoves(round: Round, busy: ReadonlySet<string>): Move[] {
  const { view } = round;
  const moves: Move[] = [];
  const moved = new Set(busy);
  const isFrozen = view.policy.haPaused === 'Freeze';
  const take = (planned: readonly Move[] = []): void => {
    for (const move of planned) {
      if (!moved.has(move.guest.id)) moves.push(move);
      moved.add(move.guest.id);
    }
  };
  // What people ask for goes first: nothing is mended the other way at the same time.
  const guests = [...view.guests.values()];
  for (const guest of guests) if (!moved.has(guest.id)) take(commanded(guest, round, isFrozen));
  if (!isFrozen) for (const guest of guests) if (!moved.has(guest.id)) take(ownMoves(guest, round));
  if (moves.length === 0 && view.policy.haPaused === undefined) moves.push(...balance(round, moved));
  return moves;
}

function isSettled({ record, wanted }: GuestView): boolean {
  return record.state === 'Started' && wanted === 'Started';
}

/** The guest with those of its set that run: they move as one or not at all. */
function movingSet(guest: GuestView, round: Round): GuestView[] {
  return round.rules.set(guest.id).flatMap((id) => {
    const member = round.view.guests.get(id);
    return member !== undefined && isSettled(member) && hasItsHost(member, round) ? [member] : [];
  });
}

/** One of its set has a place and goes to another: where the rest belongs is known when it is there. */
function isSetOnTheMove({ id }: GuestView, { rules, ledger }: Round): boolean {
  return rules.set(id).some((member) => [...ledger.hostsOf(member)].length > 1);
}

/** Who ended with its host, or with a life of it, is started, and not moved. */
function hasItsHost(guest: GuestView, round: Round): boolean {
  const host = hostOf(guest, round);
  return host !== undefined && isPresent(host) && !isGoneWithItsLife(guest, host);
}

function begin(guests: readonly GuestView[], to: string, why: MoveReason, round: Round): Move[] {
  return guests
    .filter(({ record }) => record.placement?.host !== to)
    .map((guest) => {
      const { record } = guest;
      round.ledger.add(guest, to);
      // Never the name of an earlier move: an agent begins each once. A restored API may have forgotten how many there were, and places anew.
      const moves = (record.moves ?? 0) + 1;
      const id = `${guest.uid}-${record.placement?.epoch ?? 0}-${moves}-${to}`;
      const state = guest.liveMigratable && guest.command?.do !== 'Relocate' ? 'Migrating' : 'Relocating';
      const keepsOrigin = why === 'Maintenance' || why === 'Shutdown';
      const origin = keepsOrigin ? { origin: record.origin ?? record.placement?.host ?? to } : {};
      const known = why === 'Person' ? without(record, 'failedOn') : record;
      const base = why === 'Person' || why === 'Return' ? without(known, 'origin') : known;
      return {
        guest,
        next: {
          record: moveGuest(base, state, { target: to, move: { id, why, to }, moves, ...origin }),
          reason: `${why}: to ${to}`,
        },
      };
    });
}

/** A person's move, or why it is refused. It is taken once, whatever becomes of it. */
function commanded(guest: GuestView, round: Round, isFrozen: boolean): Move[] | undefined {
  const { command, record } = guest;
  if (command === undefined || record.command === command.id) return undefined;
  if (record.state === 'Stopped' && guest.wanted === 'Stopped')
    return [moveOff(guest, command.to, command.id, round)];
  if (!isSettled(guest) && record.state !== 'Error')
    return record.state === 'Disabled' || record.state === 'Ignored'
      ? [refuse(guest, `it is ${record.state}`)]
      : undefined;
  if (record.state === 'Error') return [refuse(guest, 'it is in Error')];
  if (isSetOnTheMove(guest, round)) return undefined;
  const refusal = isFrozen ? 'Paused: HA is paused' : refusalOf(guest, command.to, round);
  if (refusal !== undefined) return [refuse(guest, refusal)];
  const moves = begin(movingSet(guest, round), command.to, 'Person', round);
  return moves.map((move) =>
    move.guest === guest
      ? { ...move, next: { ...move.next, record: { ...move.next.record, command: command.id } } }
      : move,
  );
}

function refuse(guest: GuestView, refusal: string): Move {
  const { command, record } = guest;
  return {
    guest,
    next: {
      record: { ...record, ...(command === undefined ? {} : { command: command.id }), refusal },
      reason: `refused: ${refusal}`,
    },
  };
}

function moveOff(guest: GuestView, to: string, command: string, round: Round): Move {
  const host = round.view.hosts.get(to);
  const isBusy = !isStoppedForSure(guest, round);
  const known = host === undefined ? 'there is no such host' : round.chooser.refusal(guest, host);
  const refusal = isBusy ? 'its volumes are in use where it is' : known;
  const placement = host === undefined || refusal !== undefined ? undefined : placeOn(guest, host);
  if (placement === undefined) return refuse(guest, refusal ?? 'the host was never there');
  return { guest, next: { record: { ...guest.record, placement, command }, reason: `its place is ${to}` } };
}

function refusalOf(guest: GuestView, to: string, round: Round): string | undefined {
  const host = round.view.hosts.get(to);
  if (host === undefined) return `there is no host ${to}`;
  if (guest.record.placement?.host === to) return 'it is there already';
  const set = movingSet(guest, round);
  for (const member of set) {
    const refused = round.chooser.refusal(
      member,
      host,
      set.filter((other) => other !== member),
    );
    if (refused !== undefined) return refused;
  }
  const back = betterHost(set, to, round);
  return back === undefined ? undefined : `failback would take it to ${back}`;
}

function ownMoves(guest: GuestView, round: Round): Move[] {
  if (!isSettled(guest)) return [];
  const host = hostOf(guest, round);
  if (host === undefined || round.view.observer.isSuspect(host.name, round.view.now)) return [];
  if (!hasItsHost(guest, round)) return [];
  const set = movingSet(guest, round);
  if (isSetOnTheMove(guest, round)) return [];
  if (mustLeave(host, round)) return evacuate(guest, set, host, round);
  const back = goBack(guest, set, round);
  if (back !== undefined || round.view.policy.haPaused === 'Ignore') return back ?? [];
  return mend(guest, set, host, round) ?? failBack(set, host, round) ?? [];
}

function mustLeave(host: HostView, { view }: Round): boolean {
  if (host.maintenance) return true;
  const { shutdown, record } = host;
  const isEnding =
    shutdown !== undefined && shutdown.bootID === record.life?.bootID && shutdown.stopped !== true;
  return isEnding && shutdownCourse(host, view.policy.shutdownPolicy) === 'Migrate';
}

function evacuate(guest: GuestView, set: GuestView[], host: HostView, round: Round): Move[] {
  // Who has ended there has nothing left to leave: it is started elsewhere.
  const leaving = set.filter(
    (one) => one.record.placement?.host === host.name && reportOf(one, host)?.state !== 'Off',
  );
  if (leaving.length === 0) return [];
  const choice = round.chooser.choose(leaving, {
    avoid: new Set(guest.record.tried ?? []),
    without: new Set([host.name]),
  });
  if ('host' in choice)
    return begin(leaving, choice.host, host.maintenance ? 'Maintenance' : 'Shutdown', round);
  const reason = `${CANNOT_LEAVE}: ${choice.reason}`;
  return guest.record.reason === reason
    ? []
    : [{ guest, next: { record: { ...guest.record, reason }, reason } }];
}

/** Home again, unless failback has a better place or a person has moved it since. */
function goBack(guest: GuestView, set: GuestView[], round: Round): Move[] | undefined {
  const { origin, placement } = guest.record;
  if (origin === undefined) return undefined;
  const home = round.view.hosts.get(origin);
  if (home === undefined || placement?.host === origin) return undefined;
  const isFit = set.every(
    (member) =>
      round.chooser.refusal(
        member,
        home,
        set.filter((other) => other !== member),
      ) === undefined,
  );
  if (!isFit || betterHost(set, origin, round) !== undefined) return undefined;
  return begin(set, origin, 'Return', round);
}

/** A rule or host list that is broken, by change or at the start, is mended by the fewest moves. */
function mend(guest: GuestView, set: GuestView[], host: HostView, round: Round): Move[] | undefined {
  const there = round.ledger.guestsOn(host.name);
  const clash = [...round.rules.apart(guest.id, true)].some((other) => other < guest.id && there.has(other));
  const isListed = round.chooser.isAllowed(guest, host.name);
  if (clash || !isListed) {
    const choice = round.chooser.choose(set, { without: new Set([host.name]) });
    return 'host' in choice ? begin(set, choice.host, 'Rule', round) : undefined;
  }
  return gather(set, round);
}

/** A set on several hosts comes together where most of it is already. */
function gather(set: GuestView[], round: Round): Move[] | undefined {
  const counts = new Map<string, number>();
  for (const { record } of set) {
    const name = record.placement?.host ?? '';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size < 2) return undefined;
  const preference = (name: string) =>
    set.reduce((sum, member) => sum + round.chooser.preference(member, name), 0);
  const order = [...counts].sort(
    ([a, inA], [b, inB]) => preference(b) - preference(a) || inB - inA || (a < b ? -1 : 1),
  );
  for (const [name] of order) {
    const host = round.view.hosts.get(name);
    if (host === undefined) continue;
    const newcomers = set.filter(({ record }) => record.placement?.host !== name);
    const isFit = newcomers.every(
      (member) =>
        round.chooser.refusal(
          member,
          host,
          newcomers.filter((other) => other !== member),
        ) === undefined,
    );
    if (isFit) return begin(newcomers, name, 'Rule', round);
  }
  return undefined;
}

function failBack(set: GuestView[], host: HostView, round: Round): Move[] | undefined {
  const better = betterHost(set, host.name, round);
  return better === undefined ? undefined : begin(set, better, 'Failback', round);
}

/** A host of a higher class that takes the whole set, if failback is asked for. */
function betterHost(set: GuestView[], current: string, round: Round): string | undefined {
  if (set.length === 0 || set.some(({ failback }) => !failback)) return undefined;
  if (set.every(({ group }) => group === undefined)) return undefined;
  const failedOn = new Set(set.flatMap(({ record }) => record.failedOn ?? []));
  const choice = round.chooser.choose(set, { without: failedOn });
  if ('reason' in choice || choice.host === current) return undefined;
  const preference = (name: string) =>
    set.reduce((sum, member) => sum + round.chooser.preference(member, name), 0);
  return preference(choice.host) > preference(current) ? choice.host : undefined;
}

/** One guest or set at a time, after the imbalance has lasted, and only if it gains enough. */
function balance(round: Round, busy: ReadonlySet<string>): Move[] {
  const { view, ledger } = round;
  const { automatic, threshold, margin, holdMs } = view.policy.rebalancing;
  if (!automatic) return [];
  const hosts = [...view.hosts.values()].filter(
    ({ record, maintenance }) => record.state === 'Online' && !maintenance,
  );
  const isCalm =
    busy.size === 0 &&
    [...view.guests.values()].every(({ record }) => !MOVING.has(record.state)) &&
    hosts.length === view.hosts.size;
  const before = imbalance(hosts, ledger, view);
  const held = view.since('imbalance', isCalm && before > threshold);
  if (!isCalm || before <= threshold || held < holdMs) return [];
  let best: { set: GuestView[]; to: string; after: number } | undefined;
  for (const guest of view.guests.values()) {
    const from = hostOf(guest, round);
    if (!isSettled(guest) || from === undefined) continue;
    const set = movingSet(guest, round);
    for (const host of hosts) {
      if (
        host === from ||
        hasFailed(set, host.name) ||
        set.some(
          (member) =>
            round.chooser.refusal(
              member,
              host,
              set.filter((one) => one !== member),
            ) !== undefined,
        )
      )
        continue;
      if (set.some((member) => isWorse(member, from.name, host.name, round))) continue;
      for (const member of set) ledger.remove(member, from.name);
      for (const member of set) ledger.add(member, host.name);
      const after = imbalance(hosts, ledger, view);
      for (const member of set) ledger.remove(member, host.name);
      for (const member of set) ledger.add(member, from.name);
      if (best === undefined || after < best.after) best = { set, to: host.name, after };
    }
  }
  return best !== undefined && before - best.after >= margin
    ? begin(best.set, best.to, 'Balance', round)
    : [];
}

/**
 * It did not start there, or could not be moved there: balance is not worth another try. Of a set no other host is tried either, as each try takes
 * the others there and back.
 */
function hasFailed(set: readonly GuestView[], host: string): boolean {
  const failedOn = set.flatMap(({ record }) => [...(record.failedOn ?? []), ...(record.tried ?? [])]);
  return set.length > 1 ? failedOn.length > 0 : failedOn.includes(host);
}

/** Its group likes the host less, or more of its soft rules are broken there: somebody else would move it back. */
function isWorse(guest: GuestView, from: string, to: string, { chooser }: Round): boolean {
  return (
    chooser.preference(guest, to) < chooser.preference(guest, from) ||
    chooser.discomfort(guest, to) > chooser.discomfort(guest, from)
  );
}

const MOVING: ReadonlySet<string> = new Set([
  'Migrating',
  'Relocating',
  'Starting',
  'Fencing',
  'Recovering',
  'Frozen',
]);
