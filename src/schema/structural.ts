/**
 * The rules that make a schema structural, which apiextensions.k8s.io/v1 demands of every CRD, with its messages.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import type { FieldError, JsonSchema } from './contract.ts';
import { forbidden, invalid, required, unsupported } from './errors.ts';
import { childPath, keyPath } from './paths.ts';
import { compilePattern } from './patterns.ts';
import { checkDefaults } from './structural-defaults.ts';
import { checkListType } from './structural-lists.ts';
import { checkRules } from './structural-rules.ts';
import { checkValueValidations } from './structural-values.ts';

/** Where a schema stands decides what an empty type is called. */
type Place = 'root' | 'field' | 'item';

/** The errors of a CRD's schema; paths start at the schema: `properties[spec].type`. */
export function checkStructural(schema: JsonSchema): FieldError[] {
  const errors: FieldError[] = [];
  checkRoot(schema, errors);
  checkPlace(schema, '', 'root', errors);
  if (errors.length === 0) checkDefaults(schema, errors);
  return errors;
}

function checkRoot(schema: JsonSchema, errors: FieldError[]): void {
  if (schema.type && schema.type !== 'object') {
    errors.push(invalid('type', schema.type, 'must be object at the root'));
  }
  if (schema.nullable) errors.push(forbidden('nullable', 'nullable cannot be true at the root'));
  const metadata = schema.properties?.metadata;
  const { type: _, description: __, properties = {}, ...others } = metadata ?? {};
  const allowed = Object.keys(properties).every((name) => name === 'name' || name === 'generateName');
  if (Object.keys(others).length > 0 || !allowed) {
    errors.push(
      forbidden(
        'properties[metadata]',
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    );
  }
}

function checkPlace(schema: JsonSchema, path: string, place: Place, errors: FieldError[]): void {
  checkType(schema, path, place, errors);
  checkShape(schema, path, errors);
  checkExtensions(schema, path, errors);
  checkListType(schema, path, errors);
  checkPattern(schema, path, errors);
  checkValueValidations(schema, path, errors);
  checkRules(schema, path, errors);
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    checkPlace(child, keyPath(childPath(path, 'properties'), name), 'field', errors);
  }
  if (schema.items) checkPlace(schema.items, childPath(path, 'items'), 'item', errors);
  if (typeof schema.additionalProperties === 'object') {
    checkPlace(schema.additionalProperties, childPath(path, 'additionalProperties'), 'field', errors);
  }
}

const emptyType: Readonly<Record<Place, string>> = {
  root: 'must not be empty at the root',
  field: 'must not be empty for specified object fields',
  item: 'must not be empty for specified array items',
};

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

function checkType(schema: JsonSchema, path: string, place: Place, errors: FieldError[]): void {
  const at = childPath(path, 'type');
  if (schema.type !== undefined && schema.type !== '') {
    if (!types.includes(schema.type)) errors.push(unsupported(at, schema.type, types));
  } else if (!schema['x-kubernetes-int-or-string'] && !schema['x-kubernetes-preserve-unknown-fields']) {
    errors.push(required(at, emptyType[place]));
  }
}

function checkShape(schema: JsonSchema, path: string, errors: FieldError[]): void {
  const { additionalProperties, properties } = schema;
  const at = childPath(path, 'additionalProperties');
  if (additionalProperties !== undefined && Object.keys(properties ?? {}).length > 0) {
    errors.push(forbidden(at, 'additionalProperties and properties are mutual exclusive'));
  }
  if (schema.type === 'array' && !schema.items) {
    errors.push(required(childPath(path, 'items'), 'must be specified'));
  }
  if (schema.uniqueItems) {
    const detail = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(childPath(path, 'uniqueItems'), detail));
  }
}

/** Fields of JSON Schema that decoders know and no server takes. */
const unsupportedFields = [
  'id',
  'additionalItems',
  'patternProperties',
  'definitions',
  'dependencies',
  '$ref',
];

function checkExtensions(schema: JsonSchema, path: string, errors: FieldError[]): void {
  if (schema['x-kubernetes-int-or-string']) {
    for (const name of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const) {
      if (schema[name]) {
        errors.push(
          invalid(childPath(path, name), true, 'must be false if x-kubernetes-int-or-string is true'),
        );
      }
    }
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    errors.push(
      invalid(childPath(path, 'x-kubernetes-preserve-unknown-fields'), false, 'must be true or undefined'),
    );
  }
  for (const name of unsupportedFields) {
    if (Object.hasOwn(schema, name))
      errors.push(forbidden(childPath(path, name), `${name} is not supported`));
  }
  if (!schema['x-kubernetes-embedded-resource']) return;
  if (schema.type !== 'object') {
    const detail = 'must be object if x-kubernetes-embedded-resource is true';
    errors.push(invalid(childPath(path, 'type'), schema.type ?? '', detail));
  }
  if (!schema['x-kubernetes-preserve-unknown-fields'] && Object.keys(schema.properties ?? {}).length === 0) {
    const detail =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
    errors.push(required(childPath(path, 'properties'), detail));
  }
}

function checkPattern({ pattern }: JsonSchema, path: string, errors: FieldError[]): void {
  if (pattern === undefined) return;
  try {
    compilePattern(pattern);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    errors.push(
      invalid(
        childPath(path, 'pattern'),
        pattern,
        `must be a valid regular expression, but isn't: ${detail}`,
      ),
    );
  }
}
