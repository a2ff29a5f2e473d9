/**
 * Which hosts hold guests that rules mean, and guests that have rules, counted change by change: what a guest may meet on each host is
 * answered without looking at the guests there.
 */
import { type Bond, type Company, means, type Selector } from './company.ts';

type Counts = Map<string, number>;
type Group = {
  selector: Selector;
  /** All guests that the selector means, and all that have it in their rules, by host. */
  members: Counts;
  holders: Readonly<Record<Bond, Counts>>;
  held: number;
  /** Those that have it in a strict rule to keep together. */
  binding: Set<Resident>;
};
/** `isExpected`: it moves there, and is still counted where it comes from as well. */
export type Resident = { company: Company; host: string; isExpected?: boolean };

/** Another guest that strict rules keep together with one, directly or by way of others, and by whose word. */
export type Bound = { key: string; rule: string };

/** What the company of a guest says of each host. */
export type Standing = {
  refusal(host: string): string | undefined;
  /** From 0, all that it would rather not, to 1. */
  preference(host: string): number;
};

export type Neighbours<R extends Resident = Resident> = {
  /** The same object is given to `leave`. */
  enter(resident: R): void;
  leave(resident: R): void;
  /** The places of the guest with this name: where it is, and where it is expected. */
  placesOf(key: string): readonly R[];
  /** All that are bound to it, without itself. */
  bound(company: Company): readonly Bound[];
  /** False: it has no rules and none means it, so that its standing is INDIFFERENT. */
  isMeant(company: Company): boolean;
  /** `binds` is false of a host that everybody leaves: who is there keeps nobody there. `without`: guests that go along, by name. */
  standing(company: Company, binds: (host: string) => boolean, without?: readonly string[]): Standing;
  /** What the standing would say of one host now. */
  refusal(company: Company, host: string, binds: (host: string) => boolean): string | undefined;
};

/** Of a guest that has no rules and that no rule of another means. */
export const INDIFFERENT: Standing = { refusal: () => undefined, preference: () => 1 };

export function createNeighbours<R extends Resident>(): Neighbours<R> {
  const residents = new Map<string, Set<R>>();
  /** Guests that are expected somewhere, and so do not bind others to where they still are. */
  const expected = new Map<string, Set<R>>();
  const groups = new Map<string, Group>();
  const byHandle = new Map<string, Set<Group>>();

  const seed = (selector: Selector): Group => {
    const members: Counts = new Map();
    for (const { company, host } of residents.get(selector.handle) ?? []) {
      if (means(selector, company)) count(members, host, 1);
    }
    return { selector, members, holders: noHolders(), held: 0, binding: new Set() };
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
  const hold = (resident: R, sign: 1 | -1): void => {
    const { company, host } = resident;
    for (const { bond, selector } of company.rules) {
      const group = groupOf(selector);
      count(group.holders[bond], host, sign);
      if (bond === 'TogetherRequired')
        if (sign === 1) group.binding.add(resident);
        else group.binding.delete(resident);
      group.held += sign;
      if (group.held > 0) continue;
      groups.delete(selector.key);
      scatter(byHandle, selector.handle, group);
    }
  };
  const enter = (resident: R): void => {
    for (const group of meaning(resident.company)) count(group.members, resident.host, 1);
    for (const handle of resident.company.handles) gather(residents, handle, resident);
    if (resident.isExpected === true) gather(expected, nameIn(resident.company), resident);
    hold(resident, 1);
  };
  const leave = (resident: R): void => {
    for (const handle of resident.company.handles) scatter(residents, handle, resident);
    if (resident.isExpected === true) scatter(expected, nameIn(resident.company), resident);
    for (const group of meaning(resident.company)) count(group.members, resident.host, -1);
    hold(resident, -1);
  };

  /** `kept`: what becomes of a count that is asked later. */
  const judge = (
    company: Company,
    binds: (host: string) => boolean,
    kept: (meeting: Meeting) => Meeting,
  ): Standing => {
    const leaving = expected.size === 0 ? [] : leavers();
    const own = company.rules.map(({ bond, selector }) => {
      const { members } = groups.get(selector.key) ?? seed(selector);
      const gone = bond === 'TogetherRequired' ? leaving.filter((one) => isMeantBy(selector, one)) : [];
      return { bond, group: selector.group, hosts: lessThese(members, gone) };
    });
    const others = meaning(company).flatMap(({ holders, binding, selector: { group } }) =>
      BONDS.filter((bond) => holders[bond].size > 0).map((bond) => {
        const gone = bond === 'TogetherRequired' ? leaving.filter((one) => binding.has(one)) : [];
        return { bond, group, hosts: lessThese(holders[bond], gone) };
      }),
    );
    if (own.length === 0 && others.length === 0) return INDIFFERENT;
    return standingOf(own.map(kept), others.map(kept), binds);
  };
  const placesOf = (key: string): readonly R[] => [...(residents.get(key) ?? [])];
  const leavers = (): R[] =>
    [...expected.keys()].flatMap((key) => placesOf(key).filter((place) => place.isExpected !== true));
  /** Nobody is a neighbour of itself, or of those that go along: neither where they are nor where they are expected. */
  const withoutThese = <T>(keys: readonly string[], look: () => T): T => {
    const places = keys.flatMap(placesOf);
    places.forEach(leave);
    const seen = look();
    places.forEach(enter);
    return seen;
  };
  const bound = (company: Company): readonly Bound[] => {
    const found = new Map<string, Bound>();
    const asked = new Set<string>();
    const companies = [company];
    const add = (
      others: Iterable<Resident>,
      { group, key: selector }: Selector,
      as: 'meant' | 'binding',
    ): void => {
      if (asked.has(`${as} ${selector}`)) return;
      asked.add(`${as} ${selector}`);
      for (const { company: other } of others) {
        const key = nameIn(other);
        if (key === nameIn(company) || found.has(key)) continue;
        found.set(key, {
          key,
          rule: group === undefined ? 'spec.placement.keepTogether' : `the HAGroup "${group}"`,
        });
        companies.push(other);
      }
    };
    for (const one of companies) {
      for (const { bond, selector } of one.rules)
        if (bond === 'TogetherRequired')
          add(
            [...(residents.get(selector.handle) ?? [])].filter((other) => isMeantBy(selector, other)),
            selector,
            'meant',
          );
      for (const { binding, selector } of meaning(one)) add(binding, selector, 'binding');
    }
    return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  };

  return {
    enter,
    leave,
    placesOf,
    bound,
    isMeant: ({ rules, handles }) => rules.length > 0 || handles.some((handle) => byHandle.has(handle)),
    // Copied: what stands in the counts may have changed when the standing is asked.
    standing: (company, binds, without = []) =>
      withoutThese([nameIn(company), ...without], () => judge(company, binds, copy)),
    refusal: (company, host, binds) =>
      withoutThese([nameIn(company)], () => judge(company, binds, (meeting) => meeting).refusal(host)),
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

/** By its name everybody is found. */
function nameIn({ handles }: Company): string {
  return handles[0] ?? '';
}

function isMeantBy(selector: Selector, { company }: Resident): boolean {
  return company.handles.includes(selector.handle) && means(selector, company);
}

/** The counts themselves where nobody is gone. */
function lessThese(counts: Counts, gone: readonly Resident[]): Counts {
  if (gone.length === 0) return counts;
  const left = new Map(counts);
  for (const { host } of gone) count(left, host, -1);
  return left;
}

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
