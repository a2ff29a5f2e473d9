/** Whom a guest wants beside it and whom not, and by what others may mean it. Pure. */
import type { GuestName } from '../../api/identity.ts';
import type { NeighbourRule, Placement } from '../../api/placement.ts';

export type Bond = 'TogetherRequired' | 'TogetherPreferred' | 'ApartRequired' | 'ApartPreferred';

/** Guests that are meant: one by its name, or those of a namespace that have all labels. */
export type Selector = {
  /** Equal for selectors that mean the same. */
  key: string;
  /** A handle that every guest meant has. */
  handle: string;
  labels: readonly string[];
};

export type Company = {
  /** What selectors may find it by: its name first, then each of its labels. */
  handles: readonly string[];
  rules: readonly { bond: Bond; selector: Selector }[];
  /** Equal for equal companies. */
  key: string;
};

export function companyOf(
  name: GuestName,
  labels: Readonly<Record<string, string>> | undefined,
  placement: Placement | undefined,
): Company {
  const { namespace } = name;
  const handles = [
    nameHandle(name),
    ...Object.entries(labels ?? {}).map(([key, value]) => labelHandle(namespace, key, value)),
  ];
  const rules = [
    ...(placement?.keepTogether ?? []).map(
      (rule) => ({ bond: `Together${rule.policy}`, selector: selectorOf(namespace, rule) }) as const,
    ),
    ...(placement?.keepApart ?? []).map(
      (rule) => ({ bond: `Apart${rule.policy}`, selector: selectorOf(namespace, rule) }) as const,
    ),
  ];
  const key = rules.length === 0 ? handles.join(' ') : JSON.stringify([handles, rules]);
  return { handles, rules, key };
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
