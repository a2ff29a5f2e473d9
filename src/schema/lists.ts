/** The promises of list types: a set has no equal items, a map no two items with the same keys. */
import type { FieldError } from './contract.ts';
import { itemKey } from './correlate.ts';
import { duplicate, outOfBounds } from './errors.ts';
import type { SchemaNode } from './node.ts';
import { itemPath } from './paths.ts';
import { canonicalJson, isObject, type JsonObject, ownField } from './values.ts';

/** Each duplicate value is reported once, at its second place. */
export function checkListType(
  node: SchemaNode,
  list: readonly unknown[],
  path: string,
  errors: FieldError[],
): void {
  const { mapKeys } = node;
  if (node.isSet) {
    for (const index of repeated(list, canonicalJson))
      errors.push(duplicate(itemPath(path, index), list[index]));
  }
  if (mapKeys) {
    const keyOf = (item: unknown) => (isObject(item) ? itemKey(node, mapKeys, item) : undefined);
    for (const index of repeated(list, keyOf)) {
      errors.push(duplicate(itemPath(path, index), keyFields(mapKeys, list[index])));
    }
  }
  if (node.schema.uniqueItems && repeated(list, canonicalJson).length > 0) {
    errors.push(outOfBounds(path, '', "shouldn't contain duplicates"));
  }
}

function repeated(list: readonly unknown[], keyOf: (item: unknown) => string | undefined): number[] {
  const seen = new Map<string, number>();
  const again: number[] = [];
  for (const [index, item] of list.entries()) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    if (times === 2) again.push(index);
  }
  return again;
}

function keyFields(mapKeys: readonly string[], item: unknown): JsonObject {
  if (!isObject(item)) return {};
  return Object.fromEntries(
    mapKeys.filter((name) => Object.hasOwn(item, name)).map((name) => [name, ownField(item, name)]),
  );
}
