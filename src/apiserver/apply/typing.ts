/**
 * What a schema says about merging: which maps and lists are one value, which merge by key, and where it leaves the
 * shape open. The rules are those of kube-openapi's conversion to structured-merge-diff types.
 */
import { isRecord } from '../object.ts';
import { objectFields, withObjectMeta } from '../openapi/objectmeta.ts';
import type { KindSchema } from '../resource.ts';
import { keyElement, valueElement } from './element.ts';

/** The type of a value at one place. */
export type FieldType = {
  /** Absent where the schema leaves the shape open: then the value decides, and lists are atomic. */
  readonly schema?: KindSchema;
  /** Unknown fields are kept here and below. */
  readonly open: boolean;
};

/** The parts in which a value is compared and merged. */
export type Shape = 'map' | 'list' | 'scalar';

const openType: FieldType = { open: true };

/** The type of a whole object of a kind. */
export function rootType(schema: KindSchema): FieldType {
  return typeOf(withObjectMeta(schema), false);
}

function typeOf(schema: KindSchema, open: boolean): FieldType {
  return { schema, open: open || schema['x-kubernetes-preserve-unknown-fields'] === true };
}

/** How a value of this type is taken apart. A value that does not fit its type is one piece: validation reports it. */
export function shapeOf(type: FieldType, value: unknown): Shape {
  const declared = type.schema?.type;
  const absent = value === null || value === undefined;
  if (declared === 'object' || declared === undefined) {
    if (absent || isRecord(value)) return 'map';
  }
  if (declared === 'array' || declared === undefined) {
    if (absent || Array.isArray(value)) return 'list';
  }
  return 'scalar';
}

/** True when a map or list of this type has one owner as a whole. */
export function isAtomic(type: FieldType, shape: Shape): boolean {
  if (shape === 'scalar') return true;
  if (shape === 'map') return type.schema?.['x-kubernetes-map-type'] === 'atomic';
  return listKeys(type) === undefined;
}

/** True for what has no parts: absent, null, an empty map or list. Such a value is compared and merged as one piece. */
export function isHollow(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

/** An own entry of a map: never one of the prototype, whatever the key. */
export function entryOf(map: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/** The type of a map's entry; undefined when the schema declares no such field. */
export function entryType(type: FieldType, name: string): FieldType | undefined {
  const { schema, open } = type;
  if (schema === undefined) return openType;
  const named = namedField(schema, name);
  if (named !== undefined) return typeOf(named, open);
  const rest = schema.additionalProperties;
  if (isSchema(rest)) return typeOf(rest, open);
  if (rest === true) return openType;
  return rest === undefined && (open || Object.keys(schema.properties ?? {}).length === 0)
    ? openType
    : undefined;
}

/** Like entryType, but what the schema does not declare is open: live objects may be older than their schema. */
export function lenientEntryType(type: FieldType, name: string): FieldType {
  return entryType(type, name) ?? openType;
}

/** True for a field that the schema names, in contrast to an entry of a map with free keys. */
export function isNamedField(type: FieldType, name: string): boolean {
  return type.schema !== undefined && namedField(type.schema, name) !== undefined;
}

/** The type of a list's items. */
export function itemType(type: FieldType): FieldType {
  return type.schema?.items === undefined ? openType : typeOf(type.schema.items, type.open);
}

/** The path element of an item of a list that merges, or why it has none. */
export function itemElement(type: FieldType, item: unknown): { element: string } | { problem: string } {
  const keys = listKeys(type) ?? [];
  if (keys.length === 0) return setElement(item);
  if (!isRecord(item)) return { problem: 'associative list with keys may not have non-map elements' };
  const found: [string, unknown][] = [];
  for (const key of keys) {
    const value = item[key] ?? type.schema?.items?.properties?.[key]?.default;
    if (value === undefined) {
      return {
        problem: `associative list with keys has an element that omits key field ${JSON.stringify(key)} (and doesn't have default value)`,
      };
    }
    found.push([key, value]);
  }
  return { element: keyElement(found) };
}

function setElement(item: unknown): { element: string } | { problem: string } {
  if (item === null)
    return { problem: "associative list without keys has an element that's an explicit null" };
  if (isRecord(item)) return { problem: "associative list without keys has an element that's a map type" };
  if (Array.isArray(item)) return { problem: 'not supported: associative list with lists as elements' };
  return { element: valueElement(item) };
}

/** The key fields of a list that merges; none for a set; undefined for an atomic list. */
function listKeys(type: FieldType): readonly string[] | undefined {
  const { schema } = type;
  switch (schema?.['x-kubernetes-list-type']) {
    case 'map':
      return schema['x-kubernetes-list-map-keys'] ?? [];
    case 'set':
      return [];
    case 'atomic':
      return undefined;
    default: {
      if (!schema?.['x-kubernetes-patch-strategy']?.split(',').includes('merge')) return undefined;
      const mergeKey = schema['x-kubernetes-patch-merge-key'];
      return mergeKey === undefined ? [] : [mergeKey];
    }
  }
}

function namedField(schema: KindSchema, name: string): KindSchema | undefined {
  const { properties } = schema;
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name];
  const embedded = schema['x-kubernetes-embedded-resource'] === true && Object.hasOwn(objectFields, name);
  return embedded ? objectFields[name] : undefined;
}

function isSchema(value: boolean | KindSchema | undefined): value is KindSchema {
  return typeof value === 'object';
}
