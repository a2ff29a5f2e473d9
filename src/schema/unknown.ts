/** Takes out of a schema what no schema has, as a typed decoder does: a misspelt demand shall be told, not stored as if it were one. */
import { childPath, itemPath } from './paths.ts';
import { isRuleField, isSchemaField } from './shape.ts';
import { isObject } from './values.ts';

/** Removes unknown fields of a schema and all below it, in place; returns their paths. The schema may be of any shape yet. */
export function dropUnknownDemands(schema: unknown, path: string): string[] {
  if (!isObject(schema)) return [];
  const below = (name: string) => dropUnknownDemands(schema[name], childPath(path, name));
  return [
    ...dropFields(schema, path, isSchemaField),
    ...['items', 'additionalProperties', 'not'].flatMap(below),
    ...['properties', 'patternProperties', 'definitions'].flatMap((name) =>
      membersOf(schema[name]).flatMap(([key, child]) =>
        dropUnknownDemands(child, childPath(childPath(path, name), key)),
      ),
    ),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((name) =>
      itemsOf(schema[name]).flatMap((child, index) =>
        dropUnknownDemands(child, itemPath(childPath(path, name), index)),
      ),
    ),
    ...itemsOf(schema['x-kubernetes-validations']).flatMap((rule, index) =>
      isObject(rule)
        ? dropFields(rule, itemPath(childPath(path, 'x-kubernetes-validations'), index), isRuleField)
        : [],
    ),
  ];
}

function dropFields(
  object: Record<string, unknown>,
  path: string,
  isKnown: (name: string) => boolean,
): string[] {
  const unknown = Object.keys(object).filter((name) => !isKnown(name));
  for (const name of unknown) delete object[name];
  return unknown.map((name) => childPath(path, name));
}

function membersOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}

function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
