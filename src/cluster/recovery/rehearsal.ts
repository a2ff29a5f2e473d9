/** Rehearses the loss of hosts for one HAGroup: where each of its guests would go, and whether all of them would find a place. Pure. */
import type { HAGroup, HAGroupStatus } from '../../api/kinds/haGroup.ts';
import type { Condition } from '../../api/meta.ts';
import type { GuestView, View } from '../ha/model.ts';
import { type Fate, lossesOf, rehearse } from '../ha/rehearsal.ts';
import type { Objection } from '../ha/round.ts';
import type { OnPaper } from './onPaper.ts';

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
  spec: HAGroup['spec'],
  { view, objection }: OnPaper,
): Rehearsal | undefined {
  const { hostFailuresToTolerate: failures } = spec;
  if (failures === undefined) return undefined;
  const members = membersOf(name, view);
  const hosts = [...weightsOf(members).keys()].sort();
  const losses = hosts.map((host) => lossOf(host, fatesOf(members, [host], view, objection)));
  if (failures === 0) return { losses, tolerated: undefined };
  const intolerable = intolerableLoss(name, failures, { view, objection });
  const tolerated =
    intolerable === undefined
      ? ({ status: 'True', reason: 'EveryGuestHasAPlace', message: '' } as const)
      : ({
          status: 'False',
          reason: 'GuestsWouldWait',
          message: `${intolerable}. Add room or hosts, or lower spec.hostFailuresToTolerate`,
        } as const);
  return { losses, tolerated };
}

/** The first loss of so many hosts after which guests of the group would have no host, in words. */
export function intolerableLoss(
  name: string,
  failures: number,
  { view, objection }: OnPaper,
): string | undefined {
  const members = membersOf(name, view);
  const weights = weightsOf(members);
  const weightOf = (host: string) => weights.get(host) ?? -1;
  const hosts = [...view.hosts.keys()].sort((a, b) => weightOf(b) - weightOf(a));
  for (const lost of lossesOf(hosts, Math.min(failures, hosts.length), MOST_LOSSES)) {
    const waiting = fatesOf(members, lost, view, objection).filter(waits);
    if (waiting.length > 0) return inWords(lost, waiting);
  }
  return undefined;
}

type Members = ReadonlyMap<string, GuestView>;

function membersOf(name: string, { guests }: View): Members {
  return new Map([...guests].filter(([, { group, wanted }]) => group === name && wanted === 'Started'));
}

/** Memory of the group on each host that has guests of it. */
function weightsOf(members: Members): Map<string, number> {
  const weights = new Map<string, number>();
  for (const { record, memoryBytes } of members.values()) {
    const host = record.placement?.host;
    if (host !== undefined) weights.set(host, (weights.get(host) ?? 0) + memoryBytes);
  }
  return weights;
}

function fatesOf(members: Members, lost: readonly string[], view: View, objection: Objection): Fate[] {
  return rehearse(view, lost, objection).filter(({ guest }) => members.has(guest));
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

function inWords(lost: readonly string[], waiting: readonly Waiting[]): string {
  const named = waiting.slice(0, NAMED).map(({ guest, reason }) => `${guest} (${reason})`);
  const more = waiting.length > NAMED ? `; and ${waiting.length - NAMED} others` : '';
  const were = lost.length === 1 ? 'was' : 'were';
  return `if ${lost.join(' and ')} ${were} lost these would have no host: ${named.join('; ')}${more}`;
}
