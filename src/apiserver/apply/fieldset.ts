/**
 * Sets of field paths as trees, and their algebra: which fields a manager owns, and what a change touched. Values are
 * never changed in place; an operation that alters nothing returns its argument, so identity says "unchanged".
 * The semantics are those of https://github.com/kubernetes-sigs/structured-merge-diff.
 */

/** One level of a set; keys are path elements (see element.ts). `owned` says that the path ending here is a member. */
export type FieldSet = { readonly owned: boolean; readonly children: ReadonlyMap<string, FieldSet> };

const noChildren: ReadonlyMap<string, FieldSet> = new Map();

/** The set without members. */
export const emptySet: FieldSet = { owned: false, children: noChildren };

/** The set whose one member is the path that leads to it. */
export const leafSet: FieldSet = { owned: true, children: noChildren };

/** True when the set has no member; empty subtrees are never kept, so looking at one level is enough. */
export function isEmptySet(set: FieldSet): boolean {
  return !set.owned && set.children.size === 0;
}

/** A level of a set; empty children are left out. */
export function fieldSet(owned: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  const kept = new Map<string, FieldSet>();
  for (const [element, child] of children) if (!isEmptySet(child)) kept.set(element, child);
  return kept.size === 0 ? (owned ? leafSet : emptySet) : { owned, children: kept };
}

/** The set with one path: all its elements, outermost first. */
export function pathSet(path: readonly string[]): FieldSet {
  return path.reduceRight<FieldSet>((inner, element) => fieldSet(false, [[element, inner]]), leafSet);
}

/** Members of either set. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b || isEmptySet(b)) return a;
  if (isEmptySet(a)) return b;
  const children = new Map(a.children);
  for (const [element, child] of b.children) {
    const present = children.get(element);
    children.set(element, present === undefined ? child : union(present, child));
  }
  return { owned: a.owned || b.owned, children };
}

/** Members of both sets. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a;
  return combine(a, b, a.owned && b.owned, () => emptySet, intersection);
}

/** Members of `a` that are none of `b`; a member of `b` says nothing about the paths below it. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, a.owned && !b.owned, (child) => child, difference);
}

/** Members of `a` that are none of `b` and not below a member of `b`. */
export function differenceBelow(a: FieldSet, b: FieldSet): FieldSet {
  return combine(
    a,
    b,
    a.owned && !b.owned,
    (child) => child,
    (child, excluded) => (excluded.owned ? emptySet : differenceBelow(child, excluded)),
  );
}

/** True when both have the same members. */
export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  if (a.owned !== b.owned || a.children.size !== b.children.size) return false;
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    if (other === undefined || !equalSets(child, other)) return false;
  }
  return true;
}

/** All members as paths, each level sorted, the members of a level before what is below. */
export function pathsOf(set: FieldSet, prefix: readonly string[] = []): string[][] {
  const sorted = [...set.children].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...sorted.filter(([, child]) => child.owned).map(([element]) => [...prefix, element]),
    ...sorted.flatMap(([element, child]) => pathsOf(child, [...prefix, element])),
  ];
}

function combine(
  a: FieldSet,
  b: FieldSet,
  owned: boolean,
  onlyLeft: (child: FieldSet) => FieldSet,
  both: (left: FieldSet, right: FieldSet) => FieldSet,
): FieldSet {
  let changed = owned !== a.owned;
  const children: [string, FieldSet][] = [];
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    const result = other === undefined ? onlyLeft(child) : both(child, other);
    if (result !== child) changed = true;
    children.push([element, result]);
  }
  return changed ? fieldSet(owned, children) : a;
}
