/** Field sets of values: which paths an applied configuration names, and how stored sets follow a changed schema. */
import { isRecord } from '../object.ts';
import { fieldElement } from './element.ts';
import { emptySet, type FieldSet, fieldSet, isEmptySet, leafSet, mapChildren } from './fieldset.ts';
import {
  type FieldType,
  isAtomic,
  isHollow,
  isNamedField,
  itemElement,
  itemType,
  lenientEntryType,
  shapeOf,
} from './typing.ts';

/** All paths of a value: its leaves, list items, map entries and empty maps. Fields a schema names are not members by themselves. */
export function collectFields(type: FieldType, value: unknown): FieldSet {
  const shape = shapeOf(type, value);
  if (isAtomic(type, shape)) return leafSet;
  if (isRecord(value))
    return fieldSet(
      false,
      Object.entries(value).map(([name, entry]) => collectEntry(type, name, entry)),
    );
  if (Array.isArray(value)) return collectItems(type, value);
  return emptySet;
}

function collectEntry(type: FieldType, name: string, value: unknown): [string, FieldSet] {
  const below = collectFields(lenientEntryType(type, name), value);
  const hollow = isHollow(value) && !Array.isArray(value);
  const owned = below.owned || hollow || !isNamedField(type, name);
  return [fieldElement(name), withOwned(below, owned)];
}

function collectItems(type: FieldType, items: unknown[]): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const item of items) {
    const found = itemElement(type, item);
    if ('problem' in found) continue;
    // Items that share a key cannot be told apart: only the key as a whole is owned.
    const twice = children.has(found.element);
    children.set(found.element, twice ? leafSet : withOwned(collectFields(itemType(type), item), true));
  }
  return fieldSet(false, children);
}

/** The set plus the named fields above its members: what is removed together with them when nothing else remains. */
export function withNamedParents(type: FieldType, set: FieldSet): FieldSet {
  return mapChildren(set, (element, child) => {
    const below = withNamedParents(elementType(type, element), child);
    const parent =
      child.children.size > 0 && element.startsWith('f:') && isNamedField(type, element.slice(2));
    return withOwned(below, below.owned || parent);
  });
}

/** The set under a schema that has since turned a map or list atomic: then the whole is owned, and nothing below. */
export function reconcileWithSchema(type: FieldType, set: FieldSet): FieldSet {
  if (set.children.size === 0 || type.schema === undefined) return set;
  const [first] = set.children.keys();
  if (isAtomic(type, first?.startsWith('f:') ? 'map' : 'list')) return leafSet;
  return mapChildren(set, (element, child) => reconcileWithSchema(elementType(type, element), child));
}

function elementType(type: FieldType, element: string): FieldType {
  return element.startsWith('f:') ? lenientEntryType(type, element.slice(2)) : itemType(type);
}

function withOwned(set: FieldSet, owned: boolean): FieldSet {
  if (set.owned === owned) return set;
  return isEmptySet(set) ? leafSet : fieldSet(owned, set.children);
}
