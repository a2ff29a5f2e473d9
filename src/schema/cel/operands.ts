/** What kube-apiserver knows of a value before there is one: the CEL type that the schema of its place declares (apiserver, common/schemas.go). */
import type { JsonSchema } from '../contract.ts';
import { isResourceField } from '../prune.ts';
import { celName } from './names.ts';

export type Type =
  /** Anything: it is looked at when the rule runs. */
  | { kind: 'dyn' }
  | { kind: 'scalar'; name: string }
  | { kind: 'list'; item: Type }
  | { kind: 'map'; key: Type; value: Type }
  | { kind: 'optional'; value: Type }
  /** Told apart by the place in the schema: two places never have one type, however alike they are. */
  | { kind: 'object'; name: string; schema: JsonSchema; isResource: boolean };

const scalar = (name: string): Type => ({ kind: 'scalar', name });

export const dyn: Type = { kind: 'dyn' };
export const bool = scalar('bool');
export const int = scalar('int');
export const double = scalar('double');
export const text = scalar('string');
export const bytes = scalar('bytes');
export const timestamp = scalar('timestamp');
export const duration = scalar('duration');
/** The type of null alone. */
export const nothing = scalar('null');

export const listOf = (item: Type): Type => ({ kind: 'list', item });
export const optionalOf = (value: Type): Type =>
  value.kind === 'optional' ? value : { kind: 'optional', value };

/** The type of values of `schema`, which stands at `name`. That they can be null is no part of it. */
export function typeOf(schema: JsonSchema | undefined, name: string, isResource = false): Type {
  if (schema === undefined || schema['x-kubernetes-int-or-string']) return dyn;
  switch (schema.type) {
    case 'integer':
      return int;
    case 'number':
      return double;
    case 'boolean':
      return bool;
    case 'string':
      return textTypes[schema.format ?? ''] ?? text;
    case 'array':
      return listOf(typeOf(schema.items, `${name}.@idx`, isEmbedded(schema.items)));
    case 'object':
      return objectType(schema, name, isResource);
    default:
      return dyn;
  }
}

const textTypes: Readonly<Record<string, Type>> = {
  byte: bytes,
  date: timestamp,
  'date-time': timestamp,
  duration,
};

function objectType(schema: JsonSchema, name: string, isResource: boolean): Type {
  const { additionalProperties: values } = schema;
  if (typeof values !== 'object') return { kind: 'object', name, schema, isResource };
  return { kind: 'map', key: text, value: typeOf(values, `${name}.@elem`, isEmbedded(values)) };
}

function isEmbedded(schema: JsonSchema | undefined): boolean {
  return schema?.['x-kubernetes-embedded-resource'] === true;
}

/** The type of a field of values of `type`; of what is not known, dyn. */
export function fieldOf(type: Type, field: string): Type {
  switch (type.kind) {
    case 'optional':
      return optionalOf(fieldOf(type.value, field));
    case 'map':
      return type.value;
    case 'object': {
      const { name, schema, isResource } = type;
      if (isResource && isResourceField(field)) return resourceField(field, `${name}.${field}`);
      const child = Object.entries(schema.properties ?? {}).find(([key]) => celName(key) === field)?.[1];
      return typeOf(child, `${name}.${field}`, isEmbedded(child));
    }
    default:
      return dyn;
  }
}

/** Of the metadata of a resource rules may read two fields only. */
function resourceField(field: string, name: string): Type {
  if (field !== 'metadata') return text;
  const string: JsonSchema = { type: 'string' };
  return typeOf({ type: 'object', properties: { name: string, generateName: string } }, name);
}

/** The type of an item of `type`, or of the value of a key. */
export function itemOf(type: Type): Type {
  switch (type.kind) {
    case 'optional':
      return optionalOf(itemOf(type.value));
    case 'list':
      return type.item;
    case 'map':
      return type.value;
    default:
      return dyn;
  }
}

/** The one type of all these, or dyn. */
export function joined([first, ...rest]: readonly Type[]): Type {
  return first !== undefined && rest.every((other) => shown(other) === shown(first)) ? first : dyn;
}

/** False when no value of the one can ever be compared with a value of the other. */
export function areComparable(a: Type, b: Type): boolean {
  if (a.kind === 'dyn' || b.kind === 'dyn') return true;
  if (a === nothing || b === nothing) return canBeNull(a) && canBeNull(b);
  if (a.kind === 'list' && b.kind === 'list') return areComparable(a.item, b.item);
  if (a.kind === 'optional' && b.kind === 'optional') return areComparable(a.value, b.value);
  if (a.kind === 'map' && b.kind === 'map') {
    return areComparable(a.key, b.key) && areComparable(a.value, b.value);
  }
  return a.kind === b.kind && shown(a) === shown(b);
}

function canBeNull(type: Type): boolean {
  return ['object', 'optional'].includes(type.kind) || [nothing, timestamp, duration].includes(type);
}

/** The type as cel-go writes it. */
export function shown(type: Type): string {
  switch (type.kind) {
    case 'dyn':
      return 'dyn';
    case 'list':
      return `list(${shown(type.item)})`;
    case 'map':
      return `map(${shown(type.key)}, ${shown(type.value)})`;
    case 'optional':
      return `optional_type(${shown(type.value)})`;
    default:
      return type.name;
  }
}
