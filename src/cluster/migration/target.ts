/** Where a guest could go from its host, and the one host it moves to. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { MigrationSpec } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { choiceOf, type Verdict } from '../placement/choose.ts';
import { setWishOf } from '../placement/group.ts';
import type { Objection, Scheduler } from '../placement/scheduler.ts';
import { liveRefusal } from './compatible.ts';
import { type Companion, whoIs } from './set.ts';
import { withPoolsThere } from './storage.ts';

export type TargetFacts = {
  guest: StoredGuest;
  source: Stored<Host>;
  /** Named in the Migration. */
  asked: string | undefined;
  /** Asked for by nobody's controller. */
  isPersons: boolean;
  /** High availability is paused, and the guest stays where it is. */
  isFrozen?: boolean;
  moves: 'Live' | 'Offline';
  /** It may go on before its memory is there. */
  postCopy?: boolean;
  /** Pools that its volumes change. */
  storage?: MigrationSpec['storage'];
  scheduler: Pick<Scheduler, 'judge' | 'want'>;
  companions?: readonly Companion[];
  /** Whether this host may be sent another guest now. */
  mayArrive(host: string): boolean;
};

/** `final`: the host that was asked for refuses the guest, which waiting will not change. */
export type TargetChoice = { host: string } | { reason: string; message: string; final: boolean };

export type DestinationFacts = Pick<TargetFacts, 'guest' | 'source' | 'moves' | 'postCopy' | 'storage'> & {
  scheduler: Pick<Scheduler, 'judge'>;
  /** Those of its set that are to come along; none where it only follows them. */
  companions?: readonly Companion[];
};

/** To which hosts a guest could move with its set, and why not to the others; its own host is none of them. */
export function destinationsOf(facts: DestinationFacts): Verdict[] {
  const { guest, source, moves, postCopy = false, storage, scheduler, companions = [] } = facts;
  const there = new Map(
    [guest, ...companions.map((one) => one.guest)].map((one) => [one, withPoolsThere(one, storage)]),
  );
  const judge = (one: StoredGuest, objection: Objection) => {
    const others = [...there].flatMap(([other, moved]) => (other === one ? [] : [moved]));
    return scheduler.judge(there.get(one) ?? one, objection, others);
  };
  const objection: Objection = (host) =>
    moves === 'Offline' ? undefined : liveRefusal(guest, source, host, { postCopy });
  const others = companions.map((one) => ({ one, verdicts: judge(one.guest, objectionOf(one)) }));
  return judge(guest, objection)
    .filter(({ host }) => host !== source.metadata.name)
    .map((verdict) => ranked(others.reduce(joined, verdict), companions));
}

/** The more of the set are there the better, whatever else is said of the host: so the fewest move. */
function ranked(verdict: Verdict, companions: readonly Companion[]): Verdict {
  if (companions.length === 0) return verdict;
  if (!verdict.fits) return forAll(verdict, companions);
  const there = companions.filter(({ source }) => source === verdict.host).length;
  return { ...verdict, score: (there + verdict.score) / (companions.length + 1) };
}

/** What is missing is missing for all that would come. */
function forAll(verdict: Extract<Verdict, { fits: false }>, companions: readonly Companion[]): Verdict {
  const coming = companions.filter(({ source }) => source !== verdict.host);
  if (coming.length === 0 || (verdict.filter !== 'Memory' && verdict.filter !== 'CPU')) return verdict;
  return { ...verdict, reason: `${verdict.reason} for it and ${coming.map(whoIs).join(', ')}` };
}

function objectionOf({ guest, host: source, moves, obstacle }: Companion): Objection {
  return (host) => {
    if (obstacle !== undefined || source === undefined) return obstacle?.message;
    return moves === 'Offline' ? undefined : liveRefusal(guest, source, host, { postCopy: false });
  };
}

/** A host takes all that are not there yet, or nobody. */
function joined(
  verdict: Verdict,
  { one, verdicts }: { one: Companion; verdicts: readonly Verdict[] },
): Verdict {
  if (!verdict.fits) return verdict;
  const { host } = verdict;
  const other = verdicts.find((said) => said.host === host);
  if (one.source === host || other?.fits === true) return verdict;
  const reason = `does not take ${whoIs(one)}: ${other?.reason ?? 'it is not known to placement'}`;
  return { host, fits: false, filter: 'Set', reason };
}

export function chooseTarget(facts: TargetFacts): TargetChoice {
  const { asked } = facts;
  if (facts.isFrozen === true)
    return {
      reason: 'Paused',
      message: 'spec.haPaused of the ClusterPolicy is Freeze: remove it, or say Ignore',
      final: facts.isPersons,
    };
  const unready = facts.companions?.find(
    ({ obstacle, source }) => obstacle?.final === false && source !== asked,
  );
  if (unready?.obstacle !== undefined) {
    const { reason, message } = unready.obstacle;
    return { reason, message: `waits for ${whoIs(unready)}: ${message}`, final: false };
  }
  const all = destinationsOf(facts);
  const verdicts = all.filter(({ host }) => asked === undefined || host === asked);
  if (verdicts.length === 0) {
    return asked === undefined
      ? { reason: 'NoTarget', message: 'there is no other Host', final: false }
      : { reason: 'TargetNotFound', message: `there is no Host ${asked}`, final: true };
  }
  const choice = choiceOf(verdicts);
  if ('reason' in choice) {
    return asked === undefined
      ? { reason: 'NoTarget', message: choice.message, final: false }
      : { reason: 'TargetRefuses', message: choice.message, final: true };
  }
  const undone = asked === undefined || !facts.isPersons ? undefined : undoneBy(facts, choice.host, all);
  if (undone !== undefined) return { reason: 'FailbackWouldUndo', message: undone, final: true };
  if (facts.mayArrive(choice.host)) return choice;
  return { reason: 'Queued', message: `${choice.host} is taking other guests already`, final: false };
}

/** Why high availability would move the guest away from there again; undefined while it would not. */
function undoneBy(
  { guest, source, scheduler, companions = [] }: TargetFacts,
  target: string,
  verdicts: readonly Verdict[],
): string | undefined {
  const set = [guest, ...companions.map((one) => one.guest)];
  const { failback, preference: of } = setWishOf(set.map(scheduler.want));
  if (failback === undefined || set.every(({ status }) => status?.ha === undefined)) return undefined;
  const { spec, metadata } = source;
  const stays = spec.maintenance?.enabled !== true && spec.unschedulable !== true ? [metadata.name] : [];
  const fitting = verdicts.flatMap(({ host, fits }) => (fits ? [host] : []));
  const better = [...stays, ...fitting].find((host) => of(host) > of(target));
  return better === undefined
    ? undefined
    : `its HAGroup ${failback} has failback and would move it from ${target} to ${better}: change the group, or the guest's spec.ha.group, first`;
}
