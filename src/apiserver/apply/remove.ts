/** Taking fields out of an object: the ones a manager no longer applies and nobody else owns. */
import { isRecord, setOwn } from '../object.ts';
import { fieldElement } from './element.ts';
import { type FieldSet, isEmptySet } from './fieldset.ts';
import { type FieldType, isAtomic, itemElement, itemType, lenientEntryType, shapeOf } from './typing.ts';

/** The value without the members of the set and all below them. Untouched parts are shared with the argument. */
export function removeFields(type: FieldType, value: unknown, set: FieldSet): unknown {
  if (isEmptySet(set) || isAtomic(type, shapeOf(type, value))) return value;
  if (isRecord(value)) return removeEntries(type, value, set);
  return Array.isArray(value) ? removeItems(type, value, set) : value;
}

function removeEntries(
  type: FieldType,
  value: Record<string, unknown>,
  set: FieldSet,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const below = set.children.get(fieldElement(name));
    if (below?.owned) continue;
    const entry = value[name];
    setOwn(
      result,
      name,
      below === undefined ? entry : removeFields(lenientEntryType(type, name), entry, below),
    );
  }
  return result;
}

function removeItems(type: FieldType, items: unknown[], set: FieldSet): unknown[] {
  const result: unknown[] = [];
  for (const item of items) {
    const found = itemElement(type, item);
    const below = 'element' in found ? set.children.get(found.element) : undefined;
    if (below?.owned) continue;
    result.push(below === undefined ? item : removeFields(itemType(type), item, below));
  }
  return result;
}
