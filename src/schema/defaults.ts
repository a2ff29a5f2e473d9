/**
 * Defaulting: fills in what a schema says an absent field means. A null where null is not allowed counts as absent, with a default or without
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable).
 */
import type { SchemaNode } from './node.ts';
import { copyJson, isObject, type JsonObject, ownField, setField } from './values.ts';

/** Fills defaults in place. */
export function applyDefaults(node: SchemaNode, value: unknown): void {
  if (!node.hasDefaults) return;
  if (Array.isArray(value)) defaultItems(node, value);
  else if (isObject(value)) defaultFields(node, value);
}

function defaultItems({ items }: SchemaNode, list: unknown[]): void {
  if (!items) return;
  for (const [index, item] of list.entries()) {
    if (wantsDefault(items, item)) list[index] = copyJson(items.schema.default);
    applyDefaults(items, list[index]);
  }
}

function defaultFields(node: SchemaNode, object: JsonObject): void {
  for (const [name, child] of node.properties) {
    const value = ownField(object, name);
    if (wantsDefault(child, value)) setField(object, name, copyJson(child.schema.default));
    if (child.hasDefaults) applyDefaults(child, ownField(object, name));
  }
  const { additional } = node;
  if (!additional) return;
  for (const name of Object.keys(object)) {
    if (node.properties.has(name)) continue;
    if (wantsDefault(additional, object[name])) setField(object, name, copyJson(additional.schema.default));
    applyDefaults(additional, object[name]);
  }
}

/** Takes out fields that are null and may not be, in place. Items of lists stay: their places count. */
export function dropNulls(node: SchemaNode, value: unknown): void {
  if (Array.isArray(value)) {
    const { items } = node;
    if (items) for (const item of value) dropNulls(items, item);
  } else if (isObject(value)) {
    for (const name of Object.keys(value)) {
      const child = node.properties.get(name) ?? node.additional;
      if (child === undefined) continue;
      const member = value[name];
      if (member === null && child.schema.nullable !== true) delete value[name];
      else dropNulls(child, member);
    }
  }
}

function wantsDefault({ schema }: SchemaNode, value: unknown): boolean {
  return (
    schema.default !== undefined && (value === undefined || (value === null && schema.nullable !== true))
  );
}
