/** Sets of guests that keep together, guests that keep apart, and rules that contradict each other: named, and left out as a whole. Pure. */
import type { Group, GuestView, Rule, View } from './model.ts';

export type Rules = {
  /** Members of the guest's strict together set, itself included. */
  set(guest: string): readonly string[];
  /** Guests that must not share a host with it; soft ones are only kept apart where it costs nothing. */
  apart(guest: string, strict: boolean): ReadonlySet<string>;
  /** Guests it would like to be with. */
  likes(guest: string): ReadonlySet<string>;
  /** Names of rules that cannot hold together with others, each with what it contradicts. */
  conflicts: readonly { rule: string; message: string }[];
};

/** Strict host lists of guests, by their groups. */
export type HostLists = { strictHosts(guest: string): readonly string[] | undefined };

export function hostLists(view: Pick<View, 'guests' | 'groups'>): HostLists {
  return {
    strictHosts: (id) => {
      const group = groupOf(view.guests.get(id), view.groups);
      return group?.restricted === true ? group.hosts.map(({ name }) => name) : undefined;
    },
  };
}

export function groupOf(guest: GuestView | undefined, groups: ReadonlyMap<string, Group>): Group | undefined {
  return guest?.group === undefined ? undefined : groups.get(guest.group);
}

const NOBODY: ReadonlySet<string> = new Set();

/** Takes rules in order; one that contradicts those before it is left out. */
export function createRules(rules: readonly Rule[], lists: HostLists): Rules {
  const sets = new Map<string, readonly string[]>();
  const strict = new Map<string, Set<string>>();
  const soft = new Map<string, Set<string>>();
  const likes = new Map<string, Set<string>>();
  const conflicts: { rule: string; message: string }[] = [];
  const setOf = (guest: string): readonly string[] => sets.get(guest) ?? [guest];
  const put = (map: Map<string, Set<string>>, a: string, b: string): void => {
    const known = map.get(a) ?? new Set<string>();
    map.set(a, known.add(b));
  };
  const isApart = (members: readonly string[]): boolean =>
    members.some((a) => members.some((b) => strict.get(a)?.has(b)));

  const pair = (map: Map<string, Set<string>>, guests: readonly string[]): void => {
    for (const a of guests) for (const b of guests) if (a !== b) put(map, a, b);
  };
  const together = (rule: Rule): void => {
    const joined = [...new Set(rule.guests.flatMap((guest) => [...setOf(guest)]))];
    if (isApart(joined)) {
      conflicts.push({ rule: rule.name, message: `${joined.join(', ')} are also to keep apart` });
      return;
    }
    const hosts = commonHosts(joined, lists);
    if (hosts?.length === 0) {
      conflicts.push({ rule: rule.name, message: `no host is allowed to all of ${joined.join(', ')}` });
      return;
    }
    for (const guest of joined) sets.set(guest, joined);
  };
  const apart = (rule: Rule): void => {
    const pairs = rule.guests.filter((a) => rule.guests.some((b) => a !== b && setOf(a).includes(b)));
    if (pairs.length > 0)
      conflicts.push({ rule: rule.name, message: `${pairs.join(', ')} are also to keep together` });
    else pair(strict, rule.guests);
  };
  for (const rule of rules) {
    if (rule.type === 'KeepTogether') rule.strict ? together(rule) : pair(likes, rule.guests);
    else rule.strict ? apart(rule) : pair(soft, rule.guests);
  }
  return {
    set: setOf,
    apart: (guest, isStrict) => (isStrict ? strict : soft).get(guest) ?? NOBODY,
    likes: (guest) => likes.get(guest) ?? NOBODY,
    conflicts,
  };
}

function commonHosts(guests: readonly string[], lists: HostLists): string[] | undefined {
  let common: string[] | undefined;
  for (const guest of guests) {
    const hosts = lists.strictHosts(guest);
    if (hosts === undefined) continue;
    common = common === undefined ? [...hosts] : common.filter((host) => hosts.includes(host));
  }
  return common;
}
