/** Whom a guest wants beside it and whom not, and by what others may mean it. Pure. */
import type { GuestName } from '../../api/identity.ts';
import type { NeighbourRule } from '../../api/placement.ts';
import { type Guest, nameOf } from '../guests.ts';
import type { NamedGroup } from './membership.ts';

export type Bond = 'TogetherRequired' | 'TogetherPreferred' | 'ApartRequired' | 'ApartPreferred';

/** Guests that are meant: one by its name, those of a namespace that have all labels, or those of an HAGroup. */
export type Selector = {
  /** Equal for selectors that mean the same. */
  key: string;
  /** A handle that every guest meant has. */
  handle: string;
  labels: readonly string[];
  /** Name of the HAGroup whose rule it is. */
  group?: string;
};

export type Company = {
  /** What selectors may find it by: its name first, then each of its labels, then its HAGroup if that has rules. */
  handles: readonly string[];
  rules: readonly { bond: Bond; selector: Selector }[];
  /** Equal for equal companies. */
  key: string;
};

/** By the guest as it was read, which never changes. */
const known = new WeakMap<Guest, { group: NamedGroup | undefined; company: Company }>();

/** `group`: the HAGroup that the guest belongs to. Worked out once for each state of a guest: several ask for it in turn. */
export function companyOf(guest: Guest, group: NamedGroup | undefined): Company {
  const before = known.get(guest);
  if (before !== undefined && before.group === group) return before.company;
  const company = readCompany(guest, group);
  known.set(guest, { group, company });
  return company;
}

function readCompany(guest: Guest, group: NamedGroup | undefined): Company {
  const name = nameOf(guest);
  const { namespace } = name;
  const { labels } = guest.metadata;
  const { placement } = guest.spec;
  const shared = groupRules(group);
  const handles = [
    nameHandle(name),
    ...Object.entries(labels ?? {}).map(([key, value]) => labelHandle(namespace, key, value)),
    ...(shared[0] === undefined ? [] : [shared[0].selector.handle]),
  ];
  const rules = [
    ...(placement?.keepTogether ?? []).map(
      (rule) => ({ bond: `Together${rule.policy}`, selector: selectorOf(namespace, rule) }) as const,
    ),
    ...(placement?.keepApart ?? []).map(
      (rule) => ({ bond: `Apart${rule.policy}`, selector: selectorOf(namespace, rule) }) as const,
    ),
    ...shared,
  ];
  const key = rules.length === 0 ? handles.join(' ') : JSON.stringify([handles, rules]);
  return { handles, rules, key };
}

/** What an HAGroup says of all its guests among themselves. */
function groupRules(group: NamedGroup | undefined): Company['rules'] {
  if (group === undefined) return [];
  const { keepTogether, keepApart } = group.spec;
  const handle = `HAGroup/${group.name}`;
  const selector = { key: handle, handle, labels: [], group: group.name };
  return [
    ...(keepTogether === undefined ? [] : [{ bond: `Together${keepTogether.policy}` as const, selector }]),
    ...(keepApart === undefined ? [] : [{ bond: `Apart${keepApart.policy}` as const, selector }]),
  ];
}

function nameHandle({ kind, namespace, name }: GuestName): string {
  return `${kind}/${namespace}/${name}`;
}

function labelHandle(namespace: string, key: string, value: string): string {
  return `${namespace}:${key}=${value}`;
}

function selectorOf(namespace: string, { guest, matchLabels }: NeighbourRule): Selector {
  if (guest !== undefined) {
    const handle = nameHandle({ ...guest, namespace });
    return { key: handle, handle, labels: [] };
  }
  const labels = Object.entries(matchLabels ?? {})
    .map(([key, value]) => labelHandle(namespace, key, value))
    .sort();
  const [handle = '', ...others] = labels;
  return { key: labels.join(' '), handle, labels: others };
}

/** Whether one of the two has such a rule about the other. */
export function areBound(bond: Bond, a: Company, b: Company): boolean {
  const names = (one: Company, other: Company) =>
    one.rules.some(
      (rule) =>
        rule.bond === bond && other.handles.includes(rule.selector.handle) && means(rule.selector, other),
    );
  return names(a, b) || names(b, a);
}

/** A guest with the selector's handle may still lack other labels. */
export function means({ labels }: Selector, { handles }: Company): boolean {
  return labels.every((label) => handles.includes(label));
}
