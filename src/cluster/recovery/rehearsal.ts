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

/**
 * So many ways of losing hosts are tried at most, those first that take most memory of the group. Each costs a look at all guests, some 20 ms for ten
 * thousand, and nobody is recovered meanwhile.
 */
const MOST_LOSSES = 256;
const MOST_LOOKS = 200_000;
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
  const hosts = heaviest(members).slice(0, mostLosses(view)).sort();
  const losses = hosts.map((host) => lossOf(host, fatesOf(members, [host], view, objection)));
  if (failures === 0) return { losses, tolerated: undefined };
  const { loss, tried, isAll } = intolerableLoss(name, failures, { view, objection });
  const tolerated =
    loss === undefined
      ? ({
          status: 'True',
          reason: 'EveryGuestHasAPlace',
          message: isAll ? '' : `the ${tried} losses were tried that take most memory of the group`,
        } as const)
      : ({
          status: 'False',
          reason: 'GuestsWouldWait',
          message: `${loss}. Add room or hosts, or lower spec.hostFailuresToTolerate`,
        } as const);
  return { losses, tolerated };
}

/** `loss`: the first of so many hosts after which guests of the group would have no host, in words. `isAll`: no other could be found. */
export function intolerableLoss(
  name: string,
  failures: number,
  { view, objection }: OnPaper,
): { loss?: string; tried: number; isAll: boolean } {
  const members = membersOf(name, view);
  const own = heaviest(members);
  // The loss of others takes room only beside one that takes guests.
  const hosts =
    failures === 1 ? own : [...own, ...[...view.hosts.keys()].filter((host) => !own.includes(host))];
  const most = mostLosses(view);
  const all = lossesOf(hosts, Math.min(failures, hosts.length), most + 1);
  const tried = all.slice(0, most);
  for (const lost of tried) {
    const waiting = fatesOf(members, lost, view, objection).filter(waits);
    if (waiting.length > 0) return { loss: inWords(lost, waiting), tried: tried.length, isAll: true };
  }
  return { tried: tried.length, isAll: tried.length === all.length };
}

function mostLosses({ guests }: View): number {
  return Math.max(8, Math.min(MOST_LOSSES, Math.floor(MOST_LOOKS / Math.max(1, guests.size))));
}

type Members = ReadonlyMap<string, GuestView>;

function membersOf(name: string, { guests }: View): Members {
  return new Map([...guests].filter(([, { group, wanted }]) => group === name && wanted === 'Started'));
}

/** Hosts that have guests of the group, those first that have most of its memory. */
function heaviest(members: Members): string[] {
  const weights = new Map<string, number>();
  for (const { record, memoryBytes } of members.values()) {
    const host = record.placement?.host;
    if (host !== undefined) weights.set(host, (weights.get(host) ?? 0) + memoryBytes);
  }
  return [...weights].sort(([, a], [, b]) => b - a).map(([host]) => host);
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
