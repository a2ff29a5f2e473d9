/** Finds for a part of the new object the part of the stored one it stands for; what cannot be matched has none. */
import type { SchemaNode } from './node.ts';
import { canonicalJson, isObject, type JsonObject, ownField } from './values.ts';

/** The stored counterpart of field `name`. */
export function oldField(old: unknown, name: string): unknown {
  return isObject(old) ? ownField(old, name) : undefined;
}

/**
 * The stored counterparts of list items. Only the items of a list of type map have an identity; those of other lists are
 * not matched (as k8s.io/apiserver/pkg/cel/common CorrelatedObject).
 */
export function oldItems(node: SchemaNode, old: unknown): (item: unknown) => unknown {
  const { mapKeys } = node;
  if (mapKeys === undefined || !Array.isArray(old)) return () => undefined;
  let byKey: Map<string, unknown> | undefined;
  return (item) => {
    if (!isObject(item)) return undefined;
    byKey ??= new Map(old.filter(isObject).map((entry) => [itemKey(node, mapKeys, entry), entry]));
    return byKey.get(itemKey(node, mapKeys, item));
  };
}

/** What tells an item of a list of type map apart, as text. */
export function itemKey(node: SchemaNode, mapKeys: readonly string[], item: JsonObject): string {
  const [first = '', ...others] = mapKeys;
  const key = keyField(node, first, item);
  // Most lists have one key, a name: no text needs to be built for it. A quote in front keeps it apart from other types.
  if (others.length === 0) return typeof key === 'string' ? `"${key}` : canonicalJson(key);
  return canonicalJson([key, ...others.map((name) => keyField(node, name, item))]);
}

function keyField(node: SchemaNode, name: string, item: JsonObject): unknown {
  return ownField(item, name) ?? node.items?.properties.get(name)?.schema.default ?? null;
}
