/** What may stand inside allOf, anyOf, oneOf and not: demands on values, of fields that are named outside of them. */
import type { FieldError, JsonSchema } from './contract.ts';
import { forbidden, required } from './errors.ts';
import { childPath, itemPath, keyPath } from './paths.ts';

const combinations = ['allOf', 'anyOf', 'oneOf'] as const;

/** What shapes objects and therefore stands outside, with the words for it. */
const shaping: readonly [keyof JsonSchema, string][] = [
  ['type', 'must be empty to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['default', 'must be undefined to be structural'],
  ['nullable', 'must be false to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

/** Checks the combinations of one place against what is named around them. */
export function checkValueValidations(schema: JsonSchema, path: string, errors: FieldError[]): void {
  for (const name of combinations) {
    for (const [index, child] of (schema[name] ?? []).entries()) {
      if (isIntOrStringTypes(schema, name, child)) continue;
      checkNested(child, schema, itemPath(childPath(path, name), index), path, errors);
    }
  }
  if (schema.not) checkNested(schema.not, schema, childPath(path, 'not'), path, errors);
}

/** `anyOf: [{type: integer}, {type: string}]`, as tools write it beside x-kubernetes-int-or-string. */
function isIntOrStringTypes(
  schema: JsonSchema,
  name: (typeof combinations)[number],
  child: JsonSchema,
): boolean {
  if (!schema['x-kubernetes-int-or-string']) return false;
  if (name === 'allOf') return child.anyOf?.every(isTypeOnly) === true;
  return name === 'anyOf' && isTypeOnly(child);
}

function isTypeOnly(schema: JsonSchema): boolean {
  return Object.keys(schema).length === 1 && (schema.type === 'integer' || schema.type === 'string');
}

function checkNested(
  nested: JsonSchema,
  around: JsonSchema | undefined,
  path: string,
  aroundPath: string,
  errors: FieldError[],
): void {
  for (const [name, detail] of shaping) {
    const value = nested[name];
    if (value !== undefined && value !== false && value !== '') {
      errors.push(forbidden(childPath(path, name), detail));
    }
  }
  for (const [name, child] of Object.entries(nested.properties ?? {})) {
    const at = keyPath(childPath(path, 'properties'), name);
    const aroundAt = keyPath(childPath(aroundPath, 'properties'), name);
    const outside = around?.properties?.[name];
    if (!outside) errors.push(required(aroundAt, `because it is defined in ${at}`));
    checkNested(child, outside, at, aroundAt, errors);
  }
  if (nested.items) {
    const at = childPath(path, 'items');
    const aroundAt = childPath(aroundPath, 'items');
    if (!around?.items) errors.push(required(aroundAt, `because it is defined in ${at}`));
    checkNested(nested.items, around?.items, at, aroundAt, errors);
  }
  for (const name of combinations) {
    for (const [index, child] of (nested[name] ?? []).entries()) {
      checkNested(child, around, itemPath(childPath(path, name), index), aroundPath, errors);
    }
  }
  if (nested.not) checkNested(nested.not, around, childPath(path, 'not'), aroundPath, errors);
}
