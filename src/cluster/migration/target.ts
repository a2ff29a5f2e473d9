/** The host a guest moves to: the one asked for if it takes the guest, else the best of those that do. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { demandOf, type StoredGuest } from '../guests.ts';
import { chooseHost } from '../placement/choose.ts';
import type { Allocation } from '../placement/ledger.ts';
import { liveRefusal } from './compatible.ts';

export type TargetFacts = {
  guest: StoredGuest;
  source: Stored<Host>;
  /** Named in the Migration. */
  asked: string | undefined;
  moves: 'Live' | 'Offline';
  hosts: readonly Stored<Host>[];
  allocated(host: string): Allocation;
  /** Whether this host may be sent another guest now. */
  mayArrive(host: string): boolean;
};

/** `final`: the host that was asked for refuses the guest, which waiting will not change. */
export type TargetChoice = { host: string } | { reason: string; message: string; final: boolean };

export function chooseTarget(facts: TargetFacts): TargetChoice {
  const { guest, source, asked, moves, hosts } = facts;
  const others = hosts.filter(({ metadata: { name } }) => name !== source.metadata.name);
  const named = asked === undefined ? others : others.filter(({ metadata: { name } }) => name === asked);
  if (asked !== undefined && named.length === 0) {
    return { reason: 'TargetNotFound', message: `there is no Host ${asked}`, final: true };
  }
  const able = named.filter((host) => moves === 'Offline' || liveRefusal(guest, source, host) === undefined);
  if (able.length === 0) return unable(facts, named);
  const candidates = able.map((host) => ({ host, allocated: facts.allocated(host.metadata.name) }));
  const choice = chooseHost(candidates, guest.spec, demandOf(guest));
  if ('reason' in choice) {
    return asked === undefined
      ? { reason: 'NoTarget', message: choice.message, final: false }
      : { reason: 'TargetRefuses', message: choice.message, final: true };
  }
  if (facts.mayArrive(choice.host)) return choice;
  return { reason: 'Queued', message: `${choice.host} is taking other guests already`, final: false };
}

function unable({ guest, source, asked }: TargetFacts, named: readonly Stored<Host>[]): TargetChoice {
  const why = named
    .slice(0, 8)
    .map((host) => `${host.metadata.name} ${liveRefusal(guest, source, host) ?? ''}`);
  const message = named.length === 0 ? 'there is no other Host' : why.join('; ');
  return asked === undefined
    ? { reason: 'NoTarget', message, final: false }
    : { reason: 'TargetRefuses', message, final: true };
}
