import { describe, expect, test } from 'vitest';
import { compileSchema } from '../../../src/schema/compile.ts';
import type { JsonSchema } from '../../../src/schema/contract.ts';
import { check, integer, list, named, object, shown, text } from './builders.ts';

describe('a wrong value is refused in the words of kube-apiserver', () => {
  const cases: [string, JsonSchema, unknown, string[]][] = [
    [
      'another type',
      integer,
      '4',
      ['spec: Invalid value: "string": spec in body must be of type integer: "string"'],
    ],
    [
      'a fraction',
      integer,
      1.5,
      ['spec: Invalid value: "number": spec in body must be of type integer: "number"'],
    ],
    ['null', text, null, ['spec: Invalid value: "null": spec in body must be of type string: "null"']],
    ['a missing field', object({ pool: text }, { required: ['pool'] }), {}, ['spec.pool: Required value']],
    [
      'a value beside the enum',
      { type: 'string', enum: ['A', 'B'] },
      'C',
      ['spec: Unsupported value: "C": supported values: "A", "B"'],
    ],
    [
      'a number beside the enum',
      { type: 'integer', enum: [1, 2] },
      3,
      ['spec: Unsupported value: 3: supported values: "1", "2"'],
    ],
    [
      'a text beside the pattern',
      { type: 'string', pattern: '^[0-9]+Gi$' },
      'abc',
      [`spec: Invalid value: "abc": spec in body should match '^[0-9]+Gi$'`],
    ],
    [
      'a long text',
      { type: 'string', maxLength: 3 },
      'abcd',
      ['spec: Too long: may not be more than 3 bytes'],
    ],
    [
      'a short text',
      { type: 'string', minLength: 1 },
      '',
      ['spec: Invalid value: "": spec in body should be at least 1 chars long'],
    ],
    [
      'a small number',
      { type: 'integer', minimum: 1 },
      0,
      ['spec: Invalid value: 0: spec in body should be greater than or equal to 1'],
    ],
    [
      'a number at an exclusive end',
      { type: 'number', maximum: 2, exclusiveMaximum: true },
      2,
      ['spec: Invalid value: 2: spec in body should be less than 2'],
    ],
    [
      'no multiple',
      { type: 'integer', multipleOf: 4 },
      6,
      ['spec: Invalid value: 6: spec in body should be a multiple of 4'],
    ],
    [
      'too many items',
      list(text, { maxItems: 1 }),
      ['a', 'b'],
      ['spec: Too many: 2: must have at most 1 item'],
    ],
    [
      'too few items',
      list(text, { minItems: 1 }),
      [],
      ['spec: Invalid value: 0: spec in body should have at least 1 items'],
    ],
    [
      'too many entries',
      { type: 'object', additionalProperties: text, maxProperties: 1 },
      { a: 'x', b: 'x' },
      ['spec: Too many: 2: must have at most 1 item'],
    ],
    [
      'a wrong format',
      { type: 'string', format: 'date-time' },
      '2026-02-30T00:00:00Z',
      [
        'spec: Invalid value: "2026-02-30T00:00:00Z": spec in body must be of type date-time: "2026-02-30T00:00:00Z"',
      ],
    ],
    [
      'two disks of one name',
      named({}),
      [{ name: 'a' }, { name: 'a' }, { name: 'a' }],
      ['spec[1]: Duplicate value: {"name":"a"}'],
    ],
    [
      'an item twice in a set',
      list(text, { 'x-kubernetes-list-type': 'set' }),
      ['a', 'b', 'a'],
      ['spec[2]: Duplicate value: "a"'],
    ],
    [
      'an embedded resource without a kind',
      {
        type: 'object',
        'x-kubernetes-embedded-resource': true,
        'x-kubernetes-preserve-unknown-fields': true,
      },
      { apiVersion: 'v1' },
      ['spec.kind: Required value: must not be empty'],
    ],
  ];
  test.each(cases)('%s', (_, schema, value, errors) => {
    expect(check(schema, value)).toEqual(errors);
  });
});

describe('a right value passes', () => {
  const cases: [string, JsonSchema, unknown][] = [
    ['null where it is allowed', { type: 'string', nullable: true }, null],
    ['an integer for a number', { type: 'number' }, 1],
    ['either of int-or-string', list({ 'x-kubernetes-int-or-string': true }), [1, '25%']],
    ['characters beyond the BMP count once', { type: 'string', maxLength: 2 }, '😀😀'],
    ['a field named like one of Object.prototype', object({ constructor: text }), {}],
    [
      'anything where unknown fields are kept',
      { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      { a: [1] },
    ],
    [
      'two items that differ in one of two keys',
      { ...named({ zone: text }), 'x-kubernetes-list-map-keys': ['name', 'zone'] },
      [
        { name: 'a', zone: 'x' },
        { name: 'a', zone: 'y' },
      ],
    ],
  ];
  test.each(cases)('%s', (_, schema, value) => {
    expect(check(schema, value)).toEqual([]);
  });
});

describe('combinations', () => {
  test('anyOf wants one, and shows what the nearest try missed', () => {
    const schema = object({ a: text, b: text }, { anyOf: [{ required: ['a'] }, { required: ['b'] }] });
    expect(check(schema, { b: 'x' })).toEqual([]);
    expect(check(schema, {})).toEqual([
      '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
      'spec.a: Required value',
    ]);
  });

  test('oneOf wants exactly one', () => {
    const schema = object({ a: text, b: text }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] });
    expect(check(schema, { a: 'x' })).toEqual([]);
    expect(check(schema, { a: 'x', b: 'x' })).toEqual([
      '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives',
    ]);
  });

  test('not and allOf', () => {
    expect(check({ type: 'string', not: { enum: ['root'] } }, 'root')).toEqual([
      '<nil>: Invalid value: "": "spec" must not validate the schema (not)',
    ]);
    expect(check({ type: 'integer', allOf: [{ minimum: 1 }, { maximum: 3 }] }, 4)).toEqual([
      'spec: Invalid value: 4: spec in body should be less than or equal to 3',
    ]);
  });
});

describe('a schema that became stricter under a living object', () => {
  const spec = object(
    {
      size: { type: 'integer', minimum: 10 },
      note: text,
      disks: named({ size: { type: 'integer', minimum: 10 } }),
    },
    { required: ['pool'] },
  );

  test('lets an unchanged wrong value pass while something else changes', () => {
    expect(
      check(
        object({ spec }),
        { spec: { size: 1, pool: 'p', note: 'new' } },
        { spec: { size: 1, pool: 'p' } },
      ),
    ).toEqual([]);
  });

  test('refuses a wrong value that changed', () => {
    expect(check(spec, { size: 2, pool: 'p' }, { size: 1, pool: 'p' })).toHaveLength(1);
  });

  test('matches list items by their keys, wherever they moved', () => {
    const old = {
      pool: 'p',
      disks: [
        { name: 'a', size: 1 },
        { name: 'b', size: 1 },
      ],
    };
    expect(check(spec, { pool: 'p', disks: [{ name: 'b', size: 1 }] }, old)).toEqual([]);
    expect(check(spec, { pool: 'p', disks: [{ name: 'c', size: 1 }] }, old)).toEqual([
      'spec.disks[0].size: Invalid value: 1: spec.disks[0].size in body should be greater than or equal to 10',
    ]);
  });

  test('does not match the items of a list without keys', () => {
    const numbers = object({ l: list({ type: 'integer', minimum: 10 }), n: integer });
    expect(check(numbers, { l: [1], n: 2 }, { l: [1], n: 1 })).toEqual([]);
    expect(check(numbers, { l: [1, 20] }, { l: [1] })).toHaveLength(1);
  });
});

test('an answer holds ten errors of a kind at most', () => {
  const { validate } = compileSchema(object({ l: list(integer), pool: text }, { required: ['pool'] }));
  const errors = validate({ l: Array.from({ length: 500 }, () => 'x') });
  expect(errors.filter(({ type }) => type === 'FieldValueTypeInvalid')).toHaveLength(10);
  expect(shown(errors)).toContain('pool: Required value');
});
