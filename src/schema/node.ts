/** A schema made ready: patterns compiled, names in maps, and what a subtree needs known beforehand. */
import type { JsonSchema } from './contract.ts';
import { integerBounds, stringFormat } from './formats.ts';
import { childPath, keyPath } from './paths.ts';
import { compilePattern, type Pattern } from './patterns.ts';
import { canonicalJson } from './values.ts';

/** One place of a schema. Absent members mean "no such demand". */
export type SchemaNode = {
  schema: JsonSchema;
  properties: ReadonlyMap<string, SchemaNode>;
  additional?: SchemaNode;
  items?: SchemaNode;
  required: readonly string[];
  /** The demands on scalars, compiled. */
  pattern?: Pattern;
  format?: (text: string) => boolean;
  bounds?: { minimum: number; maximum: number };
  allowed?: ReadonlySet<string>;
  allOf: readonly SchemaNode[];
  anyOf: readonly SchemaNode[];
  oneOf: readonly SchemaNode[];
  not?: SchemaNode;
  /** There is an allOf, anyOf, oneOf or not. */
  hasCombinations: boolean;
  /** The list's items are told apart by these fields (list type map), so old and new ones can be matched. */
  mapKeys?: readonly string[];
  isSet: boolean;
  keepsUnknown: boolean;
  embedded: boolean;
  /** Something at or below has a default. */
  hasDefaults: boolean;
};

/**
 * A schema that cannot be made ready; `path` is a schema path such as `properties[spec].properties[size]`, `detail` what is wrong there,
 * `value` what stands there, if that says more.
 */
export class SchemaError extends Error {
  readonly path: string;
  readonly detail: string;
  readonly value: unknown;
  constructor(path: string, detail: string, options: { cause?: unknown; value?: unknown } = {}) {
    super(`${path === '' ? 'schema' : path}: ${detail}`, { cause: options.cause });
    this.name = 'SchemaError';
    this.path = path;
    this.detail = detail;
    this.value = options.value ?? '';
  }
}

/** Makes a schema ready; throws SchemaError for a pattern that does not compile. */
export function compileNode(schema: JsonSchema, path = ''): SchemaNode {
  const below = (name: string, child: JsonSchema) => compileNode(child, childPath(path, name));
  const list = (name: string, schemas: readonly JsonSchema[] = []) =>
    schemas.map((child, index) => below(`${name}[${index}]`, child));
  const properties = new Map(
    Object.entries(schema.properties ?? {}).map(([name, child]) => [
      name,
      below(keyPath('properties', name), child),
    ]),
  );
  const { additionalProperties } = schema;
  const additional =
    typeof additionalProperties === 'object'
      ? below('additionalProperties', additionalProperties)
      : undefined;
  const items = schema.items && below('items', schema.items);
  return {
    schema,
    properties,
    ...(additional && { additional }),
    ...(items && { items }),
    required: schema.required ?? [],
    ...scalarDemands(schema, path),
    allOf: list('allOf', schema.allOf),
    anyOf: list('anyOf', schema.anyOf),
    oneOf: list('oneOf', schema.oneOf),
    ...(schema.not && { not: below('not', schema.not) }),
    hasCombinations: Boolean(schema.allOf ?? schema.anyOf ?? schema.oneOf ?? schema.not),
    ...(schema['x-kubernetes-list-type'] === 'map' && {
      mapKeys: schema['x-kubernetes-list-map-keys'] ?? [],
    }),
    isSet: schema['x-kubernetes-list-type'] === 'set',
    keepsUnknown: schema['x-kubernetes-preserve-unknown-fields'] === true || additionalProperties === true,
    embedded: schema['x-kubernetes-embedded-resource'] === true,
    hasDefaults: [...properties.values(), additional, items].some(
      (node) => node !== undefined && (node.hasDefaults || node.schema.default !== undefined),
    ),
  };
}

function scalarDemands(schema: JsonSchema, path: string): Partial<SchemaNode> {
  const format = schema.format === undefined ? undefined : stringFormat(schema.format);
  const bounds = schema.format === undefined ? undefined : integerBounds(schema.format);
  return {
    ...(schema.pattern !== undefined && { pattern: readyPattern(schema.pattern, path) }),
    ...(format && { format }),
    ...(bounds && { bounds }),
    ...(schema.enum && { allowed: new Set(schema.enum.map(canonicalJson)) }),
  };
}

function readyPattern(source: string, path: string): Pattern {
  try {
    return compilePattern(source);
  } catch (error) {
    throw new SchemaError(childPath(path, 'pattern'), `invalid regular expression ${source}`, {
      cause: error,
    });
  }
}
