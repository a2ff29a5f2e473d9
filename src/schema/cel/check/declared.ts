/** The type that a schema declares of the values at its place (apiserver, cel/common/schemas.go). */
import type { JsonSchema } from '../../contract.ts';
import { isResourceField } from '../../prune.ts';
import { celName } from '../names.ts';
import {
  bool,
  bytes,
  double,
  duration,
  dyn,
  int,
  listOf,
  mapOf,
  type Type,
  text,
  timestamp,
} from './type.ts';

/** The type of values of `schema`, which stands at `name`; undefined where rules see nothing of it. That they can be null is no part of it. */
export function declaredType(
  schema: JsonSchema | undefined,
  name: string,
  isResource: boolean,
): Type | undefined {
  if (schema === undefined) return undefined;
  if (schema['x-kubernetes-int-or-string']) return dyn;
  if (isResource) return { kind: 'object', name, schema, isResource };
  switch (schema.type) {
    case 'integer':
      return int;
    case 'number':
      return double;
    case 'boolean':
      return bool;
    case 'string':
      return textTypes[schema.format ?? ''] ?? text;
    case 'array': {
      const item = below(schema.items, `${name}.@idx`);
      return item && listOf(item);
    }
    case 'object': {
      const { additionalProperties: values } = schema;
      if (typeof values !== 'object') return { kind: 'object', name, schema, isResource };
      const value = below(values, `${name}.@elem`);
      return value && mapOf(text, value);
    }
    default:
      return undefined;
  }
}

const textTypes: Readonly<Record<string, Type>> = {
  byte: bytes,
  date: timestamp,
  'date-time': timestamp,
  duration,
};

function below(schema: JsonSchema | undefined, name: string): Type | undefined {
  return declaredType(schema, name, schema?.['x-kubernetes-embedded-resource'] === true);
}

/** The type of a field of an object; undefined when it has none of that name. */
export function fieldType(
  { name, schema, isResource }: Type & { kind: 'object' },
  field: string,
): Type | undefined {
  if (isResource && isResourceField(field)) return resourceField(field, `${name}.${field}`);
  const child = Object.entries(schema.properties ?? {}).find(([key]) => celName(key) === field)?.[1];
  return below(child, `${name}.${field}`);
}

/** Of the metadata of a resource rules may read two fields only. */
function resourceField(field: string, name: string): Type {
  if (field !== 'metadata') return text;
  const string: JsonSchema = { type: 'string' };
  const schema: JsonSchema = { type: 'object', properties: { name: string, generateName: string } };
  return { kind: 'object', name, schema, isResource: false };
}
