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
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].map((name) => [
    fieldElement(name),
    compareValues(lenientEntryType(type, name), entryOf(left, name), entryOf(right, name)),
  ]);
}

function compareItems(type: FieldType, before: unknown, after: unknown): Part[] {
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
  const level = (pick: (comparison: Comparison) => FieldSet) =>
    fieldSet(
      pick(self).owned,
      changed.map(([element, part]): [string, FieldSet] => [element, pick(part)]),
    );
  if (changed.length === 0) return self;
  return {
    added: level((part) => part.added),
    modified: level((part) => part.modified),
    removed: level((part) => part.removed),
  };
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
