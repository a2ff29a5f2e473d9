/** The CEL types a schema declares, so that a rule naming a field which does not exist is refused when it is compiled. */
import type { Environment } from '@marcbachmann/cel-js';
import type { JsonSchema } from '../contract.ts';
import { isResourceField } from '../prune.ts';
import { celName } from './names.ts';

/** Registers the types of `schema` and below in `environment`; returns the name of its own. */
export function declareType(environment: Environment, schema: JsonSchema, isResource: boolean): string {
  const counter = { next: 0 };
  return typeName(environment, schema, isResource, counter);
}

function typeName(
  environment: Environment,
  schema: JsonSchema,
  isResource: boolean,
  counter: { next: number },
): string {
  // Null is a value of nullable fields, which no declared type but dyn admits.
  if (schema['x-kubernetes-int-or-string'] || schema.nullable) return 'dyn';
  switch (schema.type) {
    case 'integer':
      return 'int';
    case 'number':
      return 'double';
    case 'boolean':
      return 'bool';
    case 'string':
      return textTypes[schema.format ?? ''] ?? 'string';
    case 'array':
      return `list<${schema.items ? typeName(environment, schema.items, false, counter) : 'dyn'}>`;
    case 'object':
      return objectType(environment, schema, isResource, counter);
    default:
      return 'dyn';
  }
}

const textTypes: Readonly<Record<string, string>> = {
  date: 'google.protobuf.Timestamp',
  'date-time': 'google.protobuf.Timestamp',
  duration: 'google.protobuf.Duration',
  byte: 'bytes',
};

function objectType(
  environment: Environment,
  schema: JsonSchema,
  isResource: boolean,
  counter: { next: number },
): string {
  const { additionalProperties, properties } = schema;
  if (schema['x-kubernetes-preserve-unknown-fields'] || additionalProperties === true) return 'dyn';
  if (typeof additionalProperties === 'object') {
    return `map<string, ${typeName(environment, additionalProperties, false, counter)}>`;
  }
  const fields: Record<string, string> = {};
  for (const [name, child] of Object.entries(properties ?? {})) {
    const declared = celName(name);
    if (declared === undefined || (isResource && isResourceField(name))) continue;
    fields[declared] = typeName(
      environment,
      child,
      child['x-kubernetes-embedded-resource'] === true,
      counter,
    );
  }
  if (isResource) {
    // Of the metadata of a resource rules may read these two only.
    environment.registerType(`Metadata${counter.next}`, {
      fields: { name: 'string', generateName: 'string' },
    });
    Object.assign(fields, { apiVersion: 'string', kind: 'string', metadata: `Metadata${counter.next++}` });
  }
  const name = `Object${counter.next++}`;
  environment.registerType(name, { fields });
  // Two objects of one type can be compared, which the library does not assume of declared types.
  environment.registerOperator(`${name} == ${name}`, () => false);
  return name;
}
