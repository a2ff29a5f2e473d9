/**
 * Which hosts hold guests that rules mean, and guests that have rules, counted change by change: what a guest may meet on each host is
 * answered without looking at the guests there.
 */
import { type Bond, type Company, means, type Selector } from './company.ts';

type Counts = Map<string, number>;
/** All guests that one selector means, and all that have it in their rules, by host. */
type Group = { selector: Selector; members: Counts; holders: Readonly<Record<Bond, Counts>>; held: number };
type Resident = { company: Company; host: string };

/** What the company of a guest says of each host. */
export type Standing = {
  refusal(host: string): string | undefined;
  /** From 0, all that it would rather not, to 1. */
  preference(host: string): number;
};

export type Neighbours = {
  /** The same object is given to `leave`. */
  enter(resident: Resident): void;
  leave(resident: Resident): void;
  /** False: it has no rules and none means it, so that its standing is INDIFFERENT. */
  isMeant(company: Company): boolean;
  /** `binds` is false of a host that everybody leaves: who is there keeps nobody there. */
  standing(company: Company, binds: (host: string) => boolean): Standing;
  /** What the standing would say of one host now. */
  refusal(company: Company, host: string, binds: (host: string) => boolean): string | undefined;
};

/** Of a guest that has no rules and that no rule of another means. */
export const INDIFFERENT: Standing = { refusal: () => undefined, preference: () => 1 };

export function createNeighbours(): Neighbours {
  const residents = new Map<string, Set<Resident>>();
  const groups = new Map<string, Group>();
  const byHandle = new Map<string, Set<Group>>();

  const seed = (selector: Selector): Group => {
    const members: Counts = new Map();
    for (const { company, host } of residents.get(selector.handle) ?? []) {
      if (means(selector, company)) count(members, host, 1);
    }
    return { selector, members, holders: noHolders(), held: 0 };
  };
  const groupOf = (selector: Selector): Group => {
    const known = groups.get(selector.key);
    if (known !== undefined) return known;
    const group = seed(selector);
    groups.set(selector.key, group);
    gather(byHandle, selector.handle, group);
    return group;
  };
  const meaning = (company: Company): Group[] => {
    const found: Group[] = [];
    for (const handle of company.handles) {
      const there = byHandle.get(handle);
      if (there === undefined) continue;
      for (const group of there) if (means(group.selector, company)) found.push(group);
    }
    return found;
  };
  const hold = ({ company, host }: Resident, sign: 1 | -1): void => {
    for (const { bond, selector } of company.rules) {
      const group = groupOf(selector);
      count(group.holders[bond], host, sign);
      group.held += sign;
      if (group.held > 0) continue;
      groups.delete(selector.key);
      scatter(byHandle, selector.handle, group);
    }
  };
  const enter = (resident: Resident): void => {
    for (const group of meaning(resident.company)) count(group.members, resident.host, 1);
    for (const handle of resident.company.handles) gather(residents, handle, resident);
    hold(resident, 1);
  };
  const leave = (resident: Resident): void => {
    for (const handle of resident.company.handles) scatter(residents, handle, resident);
    for (const group of meaning(resident.company)) count(group.members, resident.host, -1);
    hold(resident, -1);
  };

  /** `kept`: what becomes of a count that is asked later. */
  const judge = (
    company: Company,
    binds: (host: string) => boolean,
    kept: (meeting: Meeting) => Meeting,
  ): Standing => {
    const own = company.rules.map(({ bond, selector }) => ({
      ...{ bond, group: selector.group },
      hosts: (groups.get(selector.key) ?? seed(selector)).members,
    }));
    const others = meaning(company).flatMap(({ holders, selector: { group } }) =>
      BONDS.filter((bond) => holders[bond].size > 0).map((bond) => ({ bond, group, hosts: holders[bond] })),
    );
    if (own.length === 0 && others.length === 0) return INDIFFERENT;
    return standingOf(own.map(kept), others.map(kept), binds);
  };
  /** Nobody is a neighbour of itself: neither where it is nor where it is expected. */
  const withoutItself = <T>(company: Company, look: () => T): T => {
    const self = [...(residents.get(company.handles[0] ?? '') ?? [])];
    self.forEach(leave);
    const seen = look();
    self.forEach(enter);
    return seen;
  };

  return {
    enter,
    leave,
    isMeant: ({ rules, handles }) => rules.length > 0 || handles.some((handle) => byHandle.has(handle)),
    // Copied: what stands in the counts may have changed when the standing is asked.
    standing: (company, binds) => withoutItself(company, () => judge(company, binds, copy)),
    refusal: (company, host, binds) =>
      withoutItself(company, () => judge(company, binds, (meeting) => meeting).refusal(host)),
  };
}

type Meeting = { bond: Bond; group: string | undefined; hosts: ReadonlyMap<string, number> };

function standingOf(
  own: readonly Meeting[],
  others: readonly Meeting[],
  binds: (host: string) => boolean,
): Standing {
  const apart = (list: readonly Meeting[]) => list.filter(({ bond }) => bond === 'ApartRequired');
  const together = [...own, ...others].filter(
    ({ bond, hosts }) => bond === 'TogetherRequired' && [...hosts.keys()].some(binds),
  );
  const wishes = [...own, ...others].filter(({ bond }) => bond.endsWith('Preferred'));
  const [ownApart, othersApart] = [apart(own), apart(others)];
  const forbids = ownApart.length + othersApart.length + together.length > 0;
  return {
    refusal: (host) => {
      if (!forbids) return undefined;
      const there = ({ hosts }: Meeting) => hosts.has(host);
      const own = ownApart.find(there);
      if (own?.group !== undefined)
        return `has a guest of the HAGroup "${own.group}", which keeps its guests apart`;
      if (own !== undefined) return 'has a guest that spec.placement.keepApart names';
      if (othersApart.some(there)) return 'has a guest whose own spec.placement.keepApart names this one';
      const missing = together.find((meeting) => !there(meeting));
      if (missing?.group !== undefined)
        return `has not the guests of the HAGroup "${missing.group}", which keeps them together`;
      return missing === undefined ? undefined : 'has not the guests that keepTogether binds this one to';
    },
    preference: (host) => {
      if (wishes.length === 0) return 1;
      let kept = 0;
      for (const { bond, hosts } of wishes) if (hosts.has(host) === (bond === 'TogetherPreferred')) kept += 1;
      return kept / wishes.length;
    },
  };
}

const BONDS = ['TogetherRequired', 'TogetherPreferred', 'ApartRequired', 'ApartPreferred'] as const;

function noHolders(): Record<Bond, Counts> {
  return {
    TogetherRequired: new Map(),
    TogetherPreferred: new Map(),
    ApartRequired: new Map(),
    ApartPreferred: new Map(),
  };
}

function copy({ hosts, ...kept }: Meeting): Meeting {
  return { ...kept, hosts: new Map(hosts) };
}

function count(counts: Counts, host: string, change: 1 | -1): void {
  const next = (counts.get(host) ?? 0) + change;
  if (next === 0) counts.delete(host);
  else counts.set(host, next);
}

function gather<T>(sets: Map<string, Set<T>>, key: string, item: T): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([item]));
  else set.add(item);
}

function scatter<T>(sets: Map<string, Set<T>>, key: string, item: T): void {
  const set = sets.get(key);
  set?.delete(item);
  if (set?.size === 0) sets.delete(key);
}
