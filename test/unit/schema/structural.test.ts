import { describe, expect, test } from 'vitest';
import type { JsonSchema } from '../../../src/schema/contract.ts';
import { estimateRuleCosts } from '../../../src/schema/cost.ts';
import { checkStructural } from '../../../src/schema/structural.ts';
import { integer, list, named, object, ruled, shown, text } from './builders.ts';

describe('a schema that is not structural is refused with the place and the reason', () => {
  const cases: [string, JsonSchema, string][] = [
    ['no type at the root', { properties: {} }, 'type: Required value: must not be empty at the root'],
    [
      'another type at the root',
      { type: 'string' },
      'type: Invalid value: "string": must be object at the root',
    ],
    [
      'a field without type',
      object({ a: {} }),
      'properties[a].type: Required value: must not be empty for specified object fields',
    ],
    [
      'an unknown type',
      object({ a: { type: 'int' } }),
      'properties[a].type: Unsupported value: "int": supported values: "array", "boolean", "integer", "number", "object", "string"',
    ],
    [
      'a list without items',
      object({ a: { type: 'array' } }),
      'properties[a].items: Required value: must be specified',
    ],
    [
      'properties beside additionalProperties',
      object({ a: object({ b: text }, { additionalProperties: text }) }),
      'properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive',
    ],
    [
      'uniqueItems',
      object({ a: list(text, { uniqueItems: true }) }),
      'properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    ],
    [
      'a broken pattern',
      object({ a: { type: 'string', pattern: '(' } }),
      'properties[a].pattern: Invalid value: "(": must be a valid regular expression',
    ],
    [
      'a key that may be absent',
      object({ a: { ...named({}), items: object({ name: text }) } }),
      'properties[a].items.properties[name].default: Required value',
    ],
    [
      'a key that is no field',
      object({ a: named({}, { 'x-kubernetes-list-map-keys': ['id'] }) }),
      'properties[a].x-kubernetes-list-map-keys: Invalid value: ["id"]',
    ],
    [
      'keys without list type map',
      object({ a: list(text, { 'x-kubernetes-list-map-keys': ['a'] }) }),
      'properties[a].x-kubernetes-list-type: Required value: must be map',
    ],
    [
      'a set of objects',
      object({ a: list(object({ b: text }), { 'x-kubernetes-list-type': 'set' }) }),
      'properties[a].items.x-kubernetes-map-type: Invalid value: "null": must be atomic',
    ],
    [
      'a type inside anyOf',
      object({ a: object({ b: text }, { anyOf: [{ properties: { b: { type: 'string' } } }] }) }),
      'properties[a].anyOf[0].properties[b].type: Forbidden: must be empty to be structural',
    ],
    [
      'a field named only inside anyOf',
      object({ a: object({}, { anyOf: [{ properties: { b: { minLength: 1 } } }] }) }),
      'properties[a].properties[b]: Required value: because it is defined in properties[a].anyOf[0].properties[b]',
    ],
    [
      'labels demanded of metadata',
      object({ metadata: object({ labels: { type: 'object', additionalProperties: text } }) }),
      'properties[metadata]: Forbidden: must not specify anything other than name and generateName',
    ],
    [
      'a default of the wrong type',
      object({ a: { type: 'integer', default: 'x' } }),
      'properties[a].default: Invalid value: "string"',
    ],
    [
      'a default with an unknown field',
      object({ a: object({ b: text }, { default: { c: 1 } }) }),
      'properties[a].default: Invalid value: {"c":1}: must not have unknown fields',
    ],
    [
      'preserve-unknown-fields false',
      object({ a: { type: 'string', 'x-kubernetes-preserve-unknown-fields': false } }),
      'properties[a].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined',
    ],
    [
      'a rule that says nothing',
      object({ a: { type: 'string', 'x-kubernetes-validations': [{ rule: ' ' }] } }),
      'properties[a].x-kubernetes-validations[0].rule: Required value: rule is not specified',
    ],
    [
      'a message of two lines',
      object({ a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'true', message: 'a\nb' }] } }),
      'properties[a].x-kubernetes-validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
    ],
    [
      'a field path that the schema has not',
      object({ a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'true', fieldPath: '.b' }] } }),
      'properties[a].x-kubernetes-validations[0].fieldPath: Invalid value: ".b": fieldPath must be a valid path',
    ],
  ];
  test.each(cases)('%s', (_, schema, error) => {
    expect(shown(checkStructural(schema)).map((line) => line.slice(0, error.length))).toContain(error);
  });
});

test('a schema with all that is allowed passes', () => {
  const schema = object({
    metadata: object({ name: { type: 'string', maxLength: 63, pattern: '^[a-z]+$' } }),
    spec: object(
      {
        disks: named({
          size: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
        }),
        tags: list(text, { 'x-kubernetes-list-type': 'set' }),
        labels: { type: 'object', additionalProperties: text },
        raw: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        cpus: { type: 'integer', default: 1 },
        any: { 'x-kubernetes-preserve-unknown-fields': true },
      },
      { anyOf: [{ required: ['disks'] }, { properties: { cpus: { minimum: 1 } } }] },
    ),
  });
  expect(checkStructural(schema)).toEqual([]);
});

describe('the cost of a rule', () => {
  const cost = (schema: JsonSchema) => estimateRuleCosts(object({ spec: schema }))[0]?.cost ?? Number.NaN;

  test('grows with how often its place can occur', () => {
    const item = ruled(integer, 'self > 0');
    expect(cost(list(item, { maxItems: 100 }))).toBe(10 * cost(list(item, { maxItems: 10 })));
  });

  test('grows with the bounds of what it walks over', () => {
    const walk = (maxItems: number) => cost(ruled(list(integer, { maxItems }), 'self.all(x, x > 0)'));
    expect(walk(1000)).toBeGreaterThan(9 * walk(100));
    const nested = (maxItems: number) =>
      cost(ruled(list(integer, { maxItems }), 'self.all(x, self.exists(y, x == y))'));
    expect(nested(1000)).toBeGreaterThan(90 * nested(100));
  });

  test('is far beyond any budget when nothing is bounded, and within when all is', () => {
    const names = (items: JsonSchema, more: JsonSchema) =>
      cost(ruled(list(items, more), "self.all(x, x.matches('^[a-z]+$'))"));
    expect(names(text, {})).toBeGreaterThan(1e9);
    expect(names({ type: 'string', maxLength: 63 }, { maxItems: 64 })).toBeLessThan(5000);
  });

  test('counts comparing long texts', () => {
    const compare = (maxLength: number) =>
      cost(
        ruled(
          object({ a: { type: 'string', maxLength }, b: { type: 'string', maxLength } }),
          'self.a == self.b',
        ),
      );
    expect(compare(10_000)).toBeGreaterThan(10 * compare(10));
  });

  test('names the place of the rule', () => {
    const schema = object({ spec: named({ n: ruled(integer, 'self > 0') }, { maxItems: 4 }) });
    expect(estimateRuleCosts(schema)).toMatchObject([{ path: 'spec[*].n', rule: 'self > 0' }]);
  });
});
