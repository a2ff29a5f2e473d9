/** Pruning: takes out of an object what its schema does not name, as kube-apiserver does before storing. */
import type { SchemaNode } from './node.ts';
import { childPath, itemPath } from './paths.ts';
import { isObject, type JsonObject } from './values.ts';

/** The fields every resource has; the server checks them itself. */
const resourceFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/** True for the fields of every resource, which no schema needs to name. */
export function isResourceField(name: string): boolean {
  return resourceFields.has(name);
}

/** Removes unknown fields of a whole resource in place; returns their paths, sorted. */
export function pruneResource(root: SchemaNode, object: unknown): string[] {
  const removed: string[] = [];
  pruneValue(root, object, '', true, removed);
  return removed.sort();
}

/** Removes unknown fields of the value of a field in place; returns their paths below `path`, sorted. */
export function pruneField(node: SchemaNode, value: unknown, path: string): string[] {
  const removed: string[] = [];
  pruneValue(node, value, path, node.embedded, removed);
  return removed.sort();
}

function pruneValue(
  node: SchemaNode,
  value: unknown,
  path: string,
  isResource: boolean,
  removed: string[],
): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) pruneItem(node, item, itemPath(path, index), removed);
  } else if (isObject(value)) {
    for (const name of Object.keys(value)) pruneMember(node, value, name, path, isResource, removed);
  }
}

function pruneItem(list: SchemaNode, item: unknown, path: string, removed: string[]): void {
  if (list.items) pruneValue(list.items, item, path, list.items.embedded, removed);
  else if (!list.keepsUnknown) pruneAll(item, path, removed);
}

function pruneMember(
  node: SchemaNode,
  object: JsonObject,
  name: string,
  path: string,
  isResource: boolean,
  removed: string[],
): void {
  if (isResource && resourceFields.has(name)) return;
  const child = node.properties.get(name) ?? node.additional;
  if (child) {
    pruneValue(child, object[name], childPath(path, name), child.embedded, removed);
  } else if (!node.keepsUnknown) {
    delete object[name];
    removed.push(childPath(path, name));
  }
}

/** Items of a list whose schema says nothing of items keep nothing but scalars. */
function pruneAll(value: unknown, path: string, removed: string[]): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) pruneAll(item, itemPath(path, index), removed);
  } else if (isObject(value)) {
    for (const name of Object.keys(value)) {
      delete value[name];
      removed.push(childPath(path, name));
    }
  }
}
