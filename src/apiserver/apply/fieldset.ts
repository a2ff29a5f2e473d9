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
  return level(owned, kept);
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
  const children = new Map<string, FieldSet>();
  const [few, many] = a.children.size < b.children.size ? [a, b] : [b, a];
  for (const [element, child] of few.children) {
    const other = many.children.get(element);
    const shared = other === undefined ? emptySet : intersection(child, other);
    if (!isEmptySet(shared)) children.set(element, shared);
  }
  return level(a.owned && b.owned, children);
}

/** Members of `a` that are none of `b`; a member of `b` says nothing about the paths below it. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return subtract(a, b, difference);
}

/** Members of `a` that are none of `b` and not below a member of `b`. */
export function differenceBelow(a: FieldSet, b: FieldSet): FieldSet {
  return subtract(a, b, (child, excluded) => (excluded.owned ? emptySet : differenceBelow(child, excluded)));
}

/** The set with each child replaced; the set itself when all stay the same. */
export function mapChildren(
  set: FieldSet,
  replace: (element: string, child: FieldSet) => FieldSet,
): FieldSet {
  let children: Map<string, FieldSet> | undefined;
  for (const [element, child] of set.children) {
    const result = replace(element, child);
    if (result !== child) children = replaced(children ?? new Map(set.children), element, result);
  }
  return children === undefined ? set : level(set.owned, children);
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

/** Looks only at what `b` names: most differences take little from much. */
function subtract(
  a: FieldSet,
  b: FieldSet,
  below: (child: FieldSet, excluded: FieldSet) => FieldSet,
): FieldSet {
  let children: Map<string, FieldSet> | undefined;
  for (const [element, excluded] of b.children) {
    const child = a.children.get(element);
    if (child === undefined) continue;
    const result = below(child, excluded);
    if (result !== child) children = replaced(children ?? new Map(a.children), element, result);
  }
  const owned = a.owned && !b.owned;
  return children === undefined && owned === a.owned ? a : level(owned, children ?? a.children);
}

function replaced(children: Map<string, FieldSet>, element: string, child: FieldSet): Map<string, FieldSet> {
  if (isEmptySet(child)) children.delete(element);
  else children.set(element, child);
  return children;
}

function level(owned: boolean, children: ReadonlyMap<string, FieldSet>): FieldSet {
  if (children.size === 0) return owned ? leafSet : emptySet;
  return { owned, children };
}
