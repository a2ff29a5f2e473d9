/** Whether the guests of an HAGroup can keep the rule that it requires of them: what contradicts it is named, the rest of the group goes on. Pure. */
import type { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { type Bound, indexBonds } from './bonds.ts';
import { guestId, isToRun } from './guestViews.ts';

export type FeasibleFacts = {
  spec: HAGroup['spec'];
  members: readonly StoredGuest[];
  /** All that are protected: rules of a guest may bind members by way of others. */
  guests: readonly StoredGuest[];
  hosts: readonly Stored<Host>[];
};

export type Feasibility = Pick<Condition, 'status' | 'reason' | 'message'>;

const NAMED = 8;

/** Undefined of a group that requires neither together nor apart. */
export function feasibilityOf(facts: FeasibleFacts): Feasibility | undefined {
  const { keepTogether, keepApart } = facts.spec;
  if (keepTogether?.policy !== 'Required' && keepApart?.policy !== 'Required') return undefined;
  const wrong =
    keepApart?.policy === 'Required'
      ? (boundTogether(facts) ?? moreThanHosts(facts))
      : (boundApart(facts) ?? noCommonHost(facts));
  return wrong === undefined
    ? { status: 'True', reason: 'NothingContradicts', message: '' }
    : { status: 'False', ...wrong };
}

type Wrong = { reason: string; message: string };

/** Members that their own rules bind together. */
function boundTogether({ members, guests }: FeasibleFacts): Wrong | undefined {
  const isMember = new Set(members.map(guestId));
  const bonds = bondsOf(guests);
  for (const member of members) {
    const bound = setOf([member], bonds).map(guestId);
    const ours = bound.filter((id) => isMember.has(id));
    if (ours.length > 1)
      return contradiction(
        `${named(ours)} are to keep apart by this group, and together by their own spec.placement.keepTogether${bound.length > ours.length ? ` (with ${named(bound.filter((id) => !isMember.has(id)))})` : ''}`,
      );
  }
  return undefined;
}

/** Two of those that the group and their own rules bind together, which rules keep apart. */
function boundApart({ members, guests }: FeasibleFacts): Wrong | undefined {
  const bonds = bondsOf(guests);
  const set = setOf(members, bonds);
  const ids = new Set(set.map(guestId));
  for (const guest of set) {
    const other = bonds.of(guest).find((bound) => bound.isApart && ids.has(guestId(bound.other)))?.other;
    if (other !== undefined)
      return contradiction(
        `${named([guestId(guest), guestId(other)])} are to keep together by this group, and apart by their own spec.placement.keepApart`,
      );
  }
  return undefined;
}

function contradiction(what: string): Wrong {
  return {
    reason: 'RulesContradict',
    message: `${what}: remove one of the two rules, or take the guests out of the group`,
  };
}

function moreThanHosts(facts: FeasibleFacts): Wrong | undefined {
  const running = facts.members.filter(isToRun);
  const hosts = new Set(running.flatMap((guest) => allowedHosts(guest, facts)));
  if (running.length <= hosts.size) return undefined;
  return {
    reason: 'TooFewHosts',
    message: `${running.length} guests are to keep apart on ${hosts.size} hosts: ${running.length - hosts.size} of them will wait. Add hosts, or make the policy Preferred`,
  };
}

function noCommonHost(facts: FeasibleFacts): Wrong | undefined {
  let common: readonly string[] | undefined;
  const narrowing: string[] = [];
  for (const guest of facts.members.filter(isToRun)) {
    const allowed = allowedHosts(guest, facts);
    const left = common?.filter((host) => allowed.includes(host)) ?? allowed;
    if (common === undefined || left.length < common.length) narrowing.push(guestId(guest));
    common = left;
    if (left.length === 0)
      return {
        reason: 'NoCommonHost',
        message: `no host is allowed to all of ${named(narrowing)}, which are to keep together: see their spec.placement, and restricted hosts of the group`,
      };
  }
  return undefined;
}

function allowedHosts({ spec }: StoredGuest, { spec: group, hosts }: FeasibleFacts): string[] {
  const { host: only, hostSelector = {} } = spec.placement ?? {};
  const inGroup = new Set(group.hosts.map(({ name }) => name));
  return hosts.flatMap(({ metadata: { name, labels }, status }) => {
    const isAllowed =
      status?.witness !== true &&
      (group.restricted !== true || inGroup.has(name)) &&
      (only === undefined || only === name) &&
      Object.entries(hostSelector).every(([key, value]) => labels?.[key] === value);
    return isAllowed ? [name] : [];
  });
}

type Bonds = { of(guest: StoredGuest): readonly Bound[] };

/** By rules of guests alone: that of the group is what they are held against. */
function bondsOf(guests: readonly StoredGuest[]): Bonds {
  return indexBonds(new Map(guests.map((guest) => [guestId(guest), guest])), () => undefined);
}

/** With all that strict rules bind to them, directly or by way of others. */
function setOf(guests: readonly StoredGuest[], bonds: Bonds): StoredGuest[] {
  const found = new Set(guests);
  for (const guest of found)
    for (const { other, isTogether } of bonds.of(guest)) if (isTogether) found.add(other);
  return [...found];
}

function named(ids: readonly string[]): string {
  const more = ids.length > NAMED ? ` and ${ids.length - NAMED} others` : '';
  return `${ids.slice(0, NAMED).join(', ')}${more}`;
}
