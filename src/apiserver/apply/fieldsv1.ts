/** Field sets to and from FieldsV1, the tree in metadata.managedFields: `{"f:spec": {".": {}, "f:cpu": {}}}`. */
import { type FieldsV1, isRecord } from '../object.ts';
import { canonicalElement } from './element.ts';
import { emptySet, type FieldSet, leafSet } from './fieldset.ts';

/** Deeper trees than any object are garbage, and would only exhaust the stack. */
const maxDepth = 200;

/** The set a FieldsV1 stands for; undefined when it is none. */
export function decodeFields(fields: unknown): FieldSet | undefined {
  if (fields === undefined || fields === null) return emptySet;
  return isRecord(fields) ? decodeLevel(fields, false, 0) : undefined;
}

/** The FieldsV1 of a set, elements in the order kube-apiserver writes. */
export function encodeFields(set: FieldSet): FieldsV1 {
  const result: FieldsV1 = {};
  for (const [element, child] of [...set.children].sort(([a], [b]) => compareElements(a, b))) {
    const below = encodeFields(child);
    result[element] = child.owned && child.children.size > 0 ? { '.': {}, ...below } : below;
  }
  return result;
}

function decodeLevel(
  level: Record<string, unknown>,
  isElement: boolean,
  depth: number,
): FieldSet | undefined {
  if (depth > maxDepth) return undefined;
  const keys = Object.keys(level);
  // A path with nothing below it is a member itself; with something below, the dot says so.
  if (keys.length === 0) return isElement ? leafSet : emptySet;
  const children = new Map<string, FieldSet>();
  for (const key of keys) {
    if (key === '.') continue;
    const element = canonicalElement(key);
    const below = level[key];
    if (element === undefined || !isRecord(below)) return undefined;
    const child = decodeLevel(below, true, depth + 1);
    if (child === undefined) return undefined;
    children.set(element, child);
  }
  const owned = isElement && Object.hasOwn(level, '.');
  if (children.size === 0) return owned ? leafSet : emptySet;
  return { owned, children };
}

/** Fields, then keys, then values, then indices; numbers among values by size. */
function compareElements(a: string, b: string): number {
  const order = 'fkvi';
  const rank = order.indexOf(a.charAt(0)) - order.indexOf(b.charAt(0));
  if (rank !== 0) return rank;
  if (!a.startsWith('f')) {
    const [left, right] = [Number(a.slice(2)), Number(b.slice(2))];
    if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}
