/** The difference of two objects as field sets: what was added, what has another value, what was removed. */
import { equalJson, isRecord } from '../object.ts';
import { fieldElement } from './element.ts';
import { differenceBelow, emptySet, type FieldSet, fieldSet, isEmptySet, leafSet } from './fieldset.ts';
import {
  entryOf,
  type FieldType,
  isAtomic,
  isHollow,
  itemElement,
  itemType,
  lenientEntryType,
  shapeOf,
} from './typing.ts';

/** What changed between two values. A map or list that appears counts itself and everything in it as added. */
export type Comparison = {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
};

const same: Comparison = { added: emptySet, modified: emptySet, removed: emptySet };
const added: Comparison = { ...same, added: leafSet };
const modified: Comparison = { ...same, modified: leafSet };
const removed: Comparison = { ...same, removed: leafSet };

/** Compares two values of one type; undefined stands for absent. */
export function compareValues(type: FieldType, before: unknown, after: unknown): Comparison {
  if (before === after) return same;
  if (isPresent(before) && isPresent(after) && shapeOf(type, before) !== shapeOf(type, after)) {
    return compareReshaped(type, before, after);
  }
  const shape = shapeOf(type, isPresent(after) ? after : before);
  if (isAtomic(type, shape) || (isHollow(before) && isHollow(after))) return compareLeaf(before, after);
  return compareParts(type, before, after);
}

/** True when nothing differs. */
export function isSame(comparison: Comparison): boolean {
  return isEmptySet(comparison.added) && isEmptySet(comparison.modified) && isEmptySet(comparison.removed);
}

/** The comparison without the given fields and all below them. */
export function withoutFields(comparison: Comparison, excluded: FieldSet): Comparison {
  return {
    added: differenceBelow(comparison.added, excluded),
    modified: differenceBelow(comparison.modified, excluded),
    removed: differenceBelow(comparison.removed, excluded),
  };
}

function compareLeaf(before: unknown, after: unknown): Comparison {
  if (before === undefined) return added;
  if (after === undefined) return removed;
  return equalJson(before, after) ? same : modified;
}

function compareParts(type: FieldType, before: unknown, after: unknown): Comparison {
  const self = before === undefined ? added : after === undefined ? removed : same;
  const parts =
    Array.isArray(before) || Array.isArray(after)
      ? compareItems(type, before, after)
      : compareEntries(type, before, after);
  return assemble(self, parts);
}

type Part = readonly [string, Comparison];

function compareEntries(type: FieldType, before: unknown, after: unknown): Part[] {
  const left = isRecord(before) ? before : {};
  const right = isRecord(after) ? after : {};
  const parts: Part[] = [];
  const visit = (name: string) => {
    const entries = [entryOf(left, name), entryOf(right, name)] as const;
    const part = compareValues(lenientEntryType(type, name), ...entries);
    if (part !== same) parts.push([fieldElement(name), part]);
  };
  for (const name of Object.keys(left)) visit(name);
  for (const name of Object.keys(right)) if (!Object.hasOwn(left, name)) visit(name);
  return parts;
}

function compareItems(type: FieldType, before: unknown, after: unknown): Part[] {
  // Most lists are the same: then the elements need not be spelt.
  if (equalJson(before, after)) return [];
  const left = itemsByElement(type, before);
  const right = itemsByElement(type, after);
  return [...new Set([...left.keys(), ...right.keys()])].map((element) => {
    const old = left.get(element) ?? [];
    const now = right.get(element) ?? [];
    // Items that share a key cannot be matched one by one: the key as a whole has changed or not.
    if (old.length > 1 || now.length > 1) {
      return [element, compareLeaf(old.length === 0 ? undefined : old, now.length === 0 ? undefined : now)];
    }
    return [element, compareValues(itemType(type), old[0], now[0])];
  });
}

function itemsByElement(type: FieldType, items: unknown): Map<string, unknown[]> {
  const result = new Map<string, unknown[]>();
  for (const item of Array.isArray(items) ? items : []) {
    const found = itemElement(type, item);
    if ('problem' in found) continue;
    const present = result.get(found.element);
    if (present === undefined) result.set(found.element, [item]);
    else present.push(item);
  }
  return result;
}

function assemble(self: Comparison, parts: Part[]): Comparison {
  const changed = parts.filter(([, part]) => part !== same);
  if (changed.length === 0) return self;
  const level = (kind: keyof Comparison) =>
    fieldSet(
      self[kind].owned,
      changed.map(([element, part]): [string, FieldSet] => [element, part[kind]]),
    );
  return { added: level('added'), modified: level('modified'), removed: level('removed') };
}

/** A value that became a map, list or scalar where it was none: the place is modified, its parts came and went. */
function compareReshaped(type: FieldType, before: unknown, after: unknown): Comparison {
  return {
    added: fieldSet(false, compareValues(type, undefined, after).added.children),
    modified: leafSet,
    removed: fieldSet(false, compareValues(type, before, undefined).removed.children),
  };
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
