/** Taking fields out of an object: the ones a manager no longer applies and nobody else owns. */
import { isRecord, setOwn } from '../object.ts';
import { fieldElement } from './element.ts';
import { type FieldSet, isEmptySet } from './fieldset.ts';
import { type FieldType, isAtomic, itemElement, itemType, lenientEntryType, shapeOf } from './typing.ts';

/**
 * What a map or list becomes that lost its last part but stays itself. `null` keeps a trace of it while sets are
 * computed, as structured-merge-diff does; `empty` is what may be stored, since null passes few schemas.
 */
export type Emptied = 'null' | 'empty';

/** The value without the members of the set and all below them. Untouched parts are shared with the argument. */
export function removeFields(type: FieldType, value: unknown, set: FieldSet, emptied: Emptied): unknown {
  if (isEmptySet(set) || isAtomic(type, shapeOf(type, value))) return value;
  if (isRecord(value)) {
    const result = removeEntries(type, value, set, emptied);
    return emptied === 'null' && Object.keys(result).length === 0 ? null : result;
  }
  if (!Array.isArray(value)) return value;
  const result = removeItems(type, value, set, emptied);
  return emptied === 'null' && result.length === 0 ? null : result;
}

function removeEntries(
  type: FieldType,
  value: Record<string, unknown>,
  set: FieldSet,
  emptied: Emptied,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const below = set.children.get(fieldElement(name));
    if (below?.owned) continue;
    const entry = value[name];
    const kept =
      below === undefined ? entry : removeFields(lenientEntryType(type, name), entry, below, emptied);
    setOwn(result, name, kept);
  }
  return result;
}

function removeItems(type: FieldType, items: unknown[], set: FieldSet, emptied: Emptied): unknown[] {
  const result: unknown[] = [];
  for (const item of items) {
    const found = itemElement(type, item);
    const below = 'element' in found ? set.children.get(found.element) : undefined;
    if (below?.owned) continue;
    result.push(below === undefined ? item : removeFields(itemType(type), item, below, emptied));
  }
  return result;
}
