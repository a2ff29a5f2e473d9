/** Where a guest could go from its host, and the one host it moves to. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { MigrationSpec } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { choiceOf, type Verdict } from '../placement/choose.ts';
import type { Objection, Scheduler } from '../placement/scheduler.ts';
import { liveRefusal } from './compatible.ts';
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
  /** Whether this host may be sent another guest now. */
  mayArrive(host: string): boolean;
};

/** `final`: the host that was asked for refuses the guest, which waiting will not change. */
export type TargetChoice = { host: string } | { reason: string; message: string; final: boolean };

/** To which hosts a guest could move, and why not to the others; its own host is none of them. */
export function destinationsOf({
  guest,
  source,
  moves,
  postCopy = false,
  storage,
  scheduler,
}: Pick<TargetFacts, 'guest' | 'source' | 'moves' | 'postCopy' | 'storage'> & {
  scheduler: Pick<Scheduler, 'judge'>;
}): Verdict[] {
  const objection: Objection = (host) =>
    moves === 'Offline' ? undefined : liveRefusal(guest, source, host, { postCopy });
  return scheduler
    .judge(withPoolsThere(guest, storage), objection)
    .filter(({ host }) => host !== source.metadata.name);
}

export function chooseTarget(facts: TargetFacts): TargetChoice {
  const { asked } = facts;
  if (facts.isFrozen === true)
    return {
      reason: 'Paused',
      message: 'spec.haPaused of the ClusterPolicy is Freeze: remove it, or say Ignore',
      final: facts.isPersons,
    };
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
  { guest, source, scheduler }: TargetFacts,
  target: string,
  verdicts: readonly Verdict[],
): string | undefined {
  const { failback, preference } = scheduler.want(guest);
  if (failback === undefined || guest.status?.ha === undefined) return undefined;
  const of = (host: string) => preference.get(host) ?? 0;
  const { spec, metadata } = source;
  const stays = spec.maintenance?.enabled !== true && spec.unschedulable !== true ? [metadata.name] : [];
  const fitting = verdicts.flatMap(({ host, fits }) => (fits ? [host] : []));
  const better = [...stays, ...fitting].find((host) => of(host) > of(target));
  return better === undefined
    ? undefined
    : `its HAGroup ${failback} has failback and would move it from ${target} to ${better}: change the group, or the guest's spec.ha.group, first`;
}
