import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openApiSchema } from '../../../src/api/crd.ts';
import { kinds } from '../../../src/api/registry.ts';
import { compileSchema } from '../../../src/schema/compile.ts';
import type { JsonSchema } from '../../../src/schema/contract.ts';

/** Ajv knows JSON Schema well and nothing of Kubernetes: what both know, both must judge alike. */
const ajv = new Ajv({ strict: false, validateFormats: false });

/** The schema without what only Kubernetes has: CEL rules, list types, formats. */
function plain(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (key: string, value: unknown) =>
    key.startsWith('x-kubernetes-') || key === 'format' ? undefined : value,
  ) as JsonSchema;
}

type Path = (string | number)[];

/** An object that fits the schema, with every field there. */
function whole(schema: JsonSchema): unknown {
  if (schema.enum !== undefined) return schema.enum[0];
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, child]) => [name, whole(child)]),
      );
    case 'array':
      return [whole(schema.items ?? {})];
    case 'integer':
    case 'number':
      return schema.minimum ?? 1;
    case 'boolean':
      return true;
    default:
      return (
        FITTING.find((text) => schema.pattern === undefined || new RegExp(schema.pattern).test(text)) ?? 'a'
      );
  }
}

const FITTING = [
  'a',
  '0 2 * * *',
  '1Gi',
  '52:54:00:00:00:01',
  '22:30',
  '/srv/a',
  'https://mirror.example/debian',
  '500m',
  'fence_ipmilan',
  'backup-5f0c8b2e-6a44-4c43-9d2b-0a1f6c1f7a10',
];

/** Every place in a value. */
function places(value: unknown, path: Path = []): Path[] {
  const inner = Array.isArray(value)
    ? value.flatMap((child, index) => places(child, [...path, index]))
    : typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([name, child]) => places(child, [...path, name]))
      : [];
  return [path, ...inner];
}

function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return by;
  const copy: unknown = structuredClone(value);
  const container = copy as Record<string | number, unknown>;
  if (rest.length === 0 && by === undefined) delete container[head];
  else container[head] = replaced(container[head], rest, by);
  return copy;
}

const strange = fc.oneof(
  fc.constantFrom(
    undefined,
    '',
    '-1Gi',
    '0',
    'A',
    ' ',
    'x'.repeat(300),
    -1,
    0,
    1.5,
    2 ** 40,
    true,
    [],
    {},
    [1],
    { a: 1 },
  ),
  fc.string(),
  fc.integer(),
);

describe.each(kinds.map((kind) => [kind.kind, plain(openApiSchema(kind))] as const))(
  'validation of %s',
  (_, schema) => {
    const ours = compileSchema(schema);
    const theirs = ajv.compile(schema);
    const good = whole(schema);

    it('agrees with ajv that a whole object is good', () => {
      expect(ours.validate(good)).toEqual([]);
      expect(theirs(good)).toBe(true);
    });

    it('agrees with ajv on objects with one strange value, wherever it is', () => {
      // metadata is the API server's own business; the root must be an object to be one of a kind.
      const paths = places(good).filter((path) => path.length > 1 && path[0] !== 'metadata');
      fc.assert(
        fc.property(fc.constantFrom(...paths), strange, (path, value) => {
          const object = replaced(good, path, value);
          expect({ path, value, valid: ours.validate(object).length === 0 }).toEqual({
            path,
            value,
            valid: theirs(object),
          });
        }),
        { numRuns: 400 },
      );
    });
  },
);
