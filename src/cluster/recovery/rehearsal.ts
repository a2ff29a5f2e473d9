/** Rehearses the loss of hosts for one HAGroup: where each of its guests would go, and whether all of them would find a place. Pure. */
import type { HAGroup, HAGroupStatus } from '../../api/kinds/haGroup.ts';
import type { Condition } from '../../api/meta.ts';
import type { View } from '../ha/model.ts';
import { type Fate, lossesOf, rehearse } from '../ha/rehearsal.ts';
import type { Objection } from '../ha/round.ts';

export type Rehearsal = {
  losses: NonNullable<HAGroupStatus['rehearsal']>;
  /** Undefined where no loss is to be tolerated. */
  tolerated: Pick<Condition, 'status' | 'reason' | 'message'> | undefined;
};

/** So many ways of losing several hosts are tried, those that take most memory of the group first. */
const MOST_LOSSES = 256;
const MOST_LISTED = 50;
const NAMED = 3;

/** Undefined for a group that asks for no rehearsal. */
export function rehearseGroup(
  name: string,
  { hostFailuresToTolerate: failures }: HAGroup['spec'],
  view: View,
  objection?: Objection,
): Rehearsal | undefined {
  if (failures === undefined) return undefined;
  const members = new Map(
    [...view.guests].filter(([, { group, wanted }]) => group === name && wanted === 'Started'),
  );
  const fates = (lost: readonly string[]): Fate[] =>
    rehearse(view, lost, objection).filter(({ guest }) => members.has(guest));
  const weights = new Map<string, number>();
  for (const { record, memoryBytes } of members.values()) {
    const host = record.placement?.host;
    if (host !== undefined) weights.set(host, (weights.get(host) ?? 0) + memoryBytes);
  }
  const weightOf = (host: string) => weights.get(host) ?? -1;
  const hosts = [...view.hosts.keys()].sort((a, b) => weightOf(b) - weightOf(a));
  const losses = [...weights.keys()].sort().map((host) => lossOf(host, fates([host])));
  if (failures === 0) return { losses, tolerated: undefined };
  for (const lost of lossesOf(hosts, Math.min(failures, hosts.length), MOST_LOSSES)) {
    const waiting = fates(lost).filter(waits);
    if (waiting.length > 0) return { losses, tolerated: notTolerated(lost, waiting) };
  }
  const tolerated = { status: 'True', reason: 'EveryGuestHasAPlace', message: '' } as const;
  return { losses, tolerated };
}

type Waiting = Extract<Fate, { reason: string }>;

function waits(fate: Fate): fate is Waiting {
  return 'reason' in fate;
}

function lossOf(host: string, fates: readonly Fate[]): Rehearsal['losses'][number] {
  const waiting = fates.filter(waits);
  const guests = [...waiting, ...fates.filter((fate) => !waits(fate))].slice(0, MOST_LISTED);
  return { host, guests: fates.length, waiting: waiting.length, moves: guests };
}

function notTolerated(
  lost: readonly string[],
  waiting: readonly Waiting[],
): NonNullable<Rehearsal['tolerated']> {
  const named = waiting.slice(0, NAMED).map(({ guest, reason }) => `${guest} (${reason})`);
  const more = waiting.length > NAMED ? `; and ${waiting.length - NAMED} others` : '';
  return {
    status: 'False',
    reason: 'GuestsWouldWait',
    message: `if ${lost.join(' and ')} ${lost.length === 1 ? 'was' : 'were'} lost these would have no host: ${named.join('; ')}${more}. Add room or hosts, or lower spec.hostFailuresToTolerate`,
  };
}
