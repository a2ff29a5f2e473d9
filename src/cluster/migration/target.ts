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
  moves: 'Live' | 'Offline';
  /** It may go on before its memory is there. */
  postCopy?: boolean;
  /** Pools that its volumes change. */
  storage?: MigrationSpec['storage'];
  scheduler: Pick<Scheduler, 'judge'>;
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
}: Pick<TargetFacts, 'guest' | 'source' | 'moves' | 'postCopy' | 'storage' | 'scheduler'>): Verdict[] {
  const objection: Objection = (host) =>
    moves === 'Offline' ? undefined : liveRefusal(guest, source, host, { postCopy });
  return scheduler
    .judge(withPoolsThere(guest, storage), objection)
    .filter(({ host }) => host !== source.metadata.name);
}

export function chooseTarget(facts: TargetFacts): TargetChoice {
  const { asked } = facts;
  const verdicts = destinationsOf(facts).filter(({ host }) => asked === undefined || host === asked);
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
  if (facts.mayArrive(choice.host)) return choice;
  return { reason: 'Queued', message: `${choice.host} is taking other guests already`, final: false };
}
