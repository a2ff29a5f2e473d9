/**
 * Whether a value has the shape of a schema at all: what a typed decoder would refuse before anybody asks what the schema
 * means. Everything else in this room may then trust the types of `JsonSchema`.
 */
import { childPath, itemPath, keyPath } from './paths.ts';
import { isObject } from './values.ts';

/** A place that has the wrong type: its path and what it should be. */
export type ShapeFault = { path: string; wanted: string };

type Check = (value: unknown, path: string) => ShapeFault | undefined;

const typed =
  (wanted: string, fits: (value: unknown) => boolean): Check =>
  (value, path) =>
    fits(value) ? undefined : { path, wanted };

const text = typed('string', (value) => typeof value === 'string');
const truth = typed('boolean', (value) => typeof value === 'boolean');
const number = typed('number', (value) => typeof value === 'number');
const integer = typed('integer', Number.isInteger);
const anything: Check = () => undefined;

const listOf =
  (check: Check): Check =>
  (value, path) =>
    Array.isArray(value)
      ? first(value.map((item, index) => () => check(item, itemPath(path, index))))
      : { path, wanted: 'array' };

const mapOf =
  (check: Check): Check =>
  (value, path) =>
    isObject(value)
      ? first(
          Object.entries(value).map(
            ([key, item]) =>
              () =>
                check(item, keyPath(path, key)),
          ),
        )
      : { path, wanted: 'object' };

const schema: Check = (value, path) => record(value, path, fields);
const schemaOrTruth: Check = (value, path) => (typeof value === 'boolean' ? undefined : schema(value, path));
const rule: Check = (value, path) => record(value, path, ruleFields);

/** JSONSchemaProps, field by field. */
const fields: ReadonlyMap<string, Check> = new Map(
  Object.entries({
    $ref: text,
    $schema: text,
    id: text,
    type: text,
    description: text,
    format: text,
    title: text,
    pattern: text,
    default: anything,
    example: anything,
    enum: listOf(anything),
    nullable: truth,
    uniqueItems: truth,
    exclusiveMinimum: truth,
    exclusiveMaximum: truth,
    minimum: number,
    maximum: number,
    multipleOf: number,
    minItems: integer,
    maxItems: integer,
    minLength: integer,
    maxLength: integer,
    minProperties: integer,
    maxProperties: integer,
    required: listOf(text),
    items: schema,
    not: schema,
    oneOf: listOf(schema),
    anyOf: listOf(schema),
    allOf: listOf(schema),
    properties: mapOf(schema),
    patternProperties: mapOf(schema),
    additionalProperties: schemaOrTruth,
    additionalItems: schemaOrTruth,
    definitions: mapOf(schema),
    dependencies: mapOf(anything),
    externalDocs: anything,
    'x-kubernetes-preserve-unknown-fields': truth,
    'x-kubernetes-int-or-string': truth,
    'x-kubernetes-embedded-resource': truth,
    'x-kubernetes-list-type': text,
    'x-kubernetes-list-map-keys': listOf(text),
    'x-kubernetes-map-type': text,
    'x-kubernetes-validations': listOf(rule),
  }),
);

const ruleFields: ReadonlyMap<string, Check> = new Map(
  Object.entries({
    rule: text,
    message: text,
    messageExpression: text,
    reason: text,
    fieldPath: text,
    optionalOldSelf: truth,
  }),
);

function record(value: unknown, path: string, known: ReadonlyMap<string, Check>): ShapeFault | undefined {
  if (!isObject(value)) return { path, wanted: 'object' };
  return first(
    Object.entries(value).map(
      ([name, member]) =>
        () =>
          known.get(name)?.(member, childPath(path, name)),
    ),
  );
}

function first(checks: readonly (() => ShapeFault | undefined)[]): ShapeFault | undefined {
  for (const check of checks) {
    const fault = check();
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** True for a field of JSONSchemaProps. */
export function isSchemaField(name: string): boolean {
  return fields.has(name);
}

/** True for a field of a ValidationRule. */
export function isRuleField(name: string): boolean {
  return ruleFields.has(name);
}

/** The first place where the value is no schema; undefined when it is one everywhere. Unknown fields pass. */
export function shapeFault(value: unknown, path: string): ShapeFault | undefined {
  return schema(value, path);
}
