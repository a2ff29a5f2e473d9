import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { compileSchema } from '../../../src/schema/compile.ts';
import type { JsonSchema, ValidationRule } from '../../../src/schema/contract.ts';
import { checkRuleTypes } from '../../../src/schema/ruletypes.ts';
import { integer, list, object, ruled, shown, text } from './builders.ts';

const date: JsonSchema = { type: 'string', format: 'date-time' };
const map = (additionalProperties: JsonSchema): JsonSchema => ({ type: 'object', additionalProperties });
const guest = object({ name: text, size: integer });
const spec = object({
  together: list(guest),
  apart: list(guest),
  owner: guest,
  size: integer,
  share: { type: 'number' },
  since: date,
  port: { 'x-kubernetes-int-or-string': true },
  maybe: { ...guest, nullable: true },
  names: list(text),
  labels: map(text),
  template: object({ spec: guest }, { 'x-kubernetes-embedded-resource': true }),
});

/** What is wrong with a rule of `spec`, without its beginning; undefined when it is taken. */
function fault(rule: string | ValidationRule): string | undefined {
  const [first] = checkRuleTypes(object({ spec: ruled(spec, rule) }), 'schema');
  return first?.message.replace(/^.*?": (compilation failed: )?(found no matching overload for )?/, '');
}

describe('a rule with operands', () => {
  test('that are items of two lists is refused, however alike they are, and so are the lists', () => {
    const broken = ruled(spec, 'true', 'self.together[0] == self.apart[0]');
    expect(shown(checkRuleTypes(object({ spec: broken }), 'schema'))).toEqual([
      'schema.properties[spec].x-kubernetes-validations[1].rule: Invalid value: "self.together[0] == self.apart[0]": ' +
        "compilation failed: found no matching overload for '_==_' applied to '(selfType.together.@idx, selfType.apart.@idx)'",
    ]);
    expect(fault('self.together != self.apart')).toBe(
      "'_!=_' applied to '(list(selfType.together.@idx), list(selfType.apart.@idx))'",
    );
    expect(fault('self.together.exists(one, self.apart.exists(other, other == one))')).toBe(
      "'_==_' applied to '(selfType.apart.@idx, selfType.together.@idx)'",
    );
    expect(fault('self.together.all(one, !(one in self.apart))')).toBe(
      "'@in' applied to '(selfType.together.@idx, list(selfType.apart.@idx))'",
    );
  });

  test.each([
    'self.together[0] == self.together[1]',
    'self.together == oldSelf.together',
    'self.together.exists(one, self.apart.exists(other, other.name == one.name))',
    'self.together.map(one, one.name) == self.apart.map(one, one.name)',
    'self.together.filter(one, one.size > 1) != self.together',
    'dyn(self.together[0]) == self.apart[0]',
    'self.port == 80 || self.port == "http"',
    'self.size in [1, 2] && "a" in self.names && "a" in self.labels && !("a" in [])',
    'self.labels == {} && self.names == [] && self.labels == {"a": "b"}',
    'self.maybe == null && self.since == null && null == null',
    'self.since == timestamp("2020-01-01T00:00:00Z")',
    'self.?size.orValue(1) == 1 && self.?owner.orValue(self.owner) == self.owner',
    'self.?size.orValue(self.port) == "a"',
    'self.template.metadata.name == self.template.kind',
    'self.names.exists(self, self == "a") && self.labels.exists(key, self.labels[key] == key)',
    'size(self.names) == self.names.size() && has(self.size) == has(self.share)',
    'type(self.size) == int && string(self.size) == self.owner.name + "x"',
    '(self.size > 1 ? self.port : self.size) == "a"',
  ])('what can be equal is taken: %s', (rule) => {
    expect(fault(rule)).toBeUndefined();
    expect(() => compileSchema(object({ spec: ruled(spec, rule) }))).not.toThrow();
  });

  test.each([
    ['self.size == "1"', "'_==_' applied to '(int, string)'"],
    ['self.size == self.share', "'_==_' applied to '(int, double)'"],
    ['self.since == "2020-01-01T00:00:00Z"', "'_==_' applied to '(timestamp, string)'"],
    ['self.owner == {}', "'_==_' applied to '(selfType.owner, map(dyn, dyn))'"],
    ['self.size == null', "'_==_' applied to '(int, null)'"],
    ['self.size in self.labels', "'@in' applied to '(int, map(string, string))'"],
    ['"name" in self.owner', "'@in' applied to '(string, selfType.owner)'"],
    ['self.names.exists(self, self == 1)', "'_==_' applied to '(string, int)'"],
    ['self.names.map(name, size(name)) == self.names', "'_==_' applied to '(list(int), list(string))'"],
    ['self.?owner.value() == self.maybe', "'_==_' applied to '(selfType.owner, selfType.maybe)'"],
    [
      'self.template.metadata == self.owner',
      "'_==_' applied to '(selfType.template.metadata, selfType.owner)'",
    ],
    ['self.size > 1 || self.size == self.names[0]', "'_==_' applied to '(int, string)'"],
  ])('what never can be is refused: %s', (rule, words) => {
    expect(fault(rule)).toBe(words);
  });

  test.each([
    ['has(self.nosuch)', "undefined field 'nosuch'"],
    ['has(self.size.nosuch)', "type 'int' does not support field selection"],
    ['has(self.names[0])', 'invalid argument to has() macro'],
    ['self.template.metadata.labels == {}', "undefined field 'labels'"],
    ['[1, "a"].size() == 2', "expected type 'int' but found 'string'"],
    ['[1, self.port].size() == 2', "expected type 'int' but found 'dyn'"],
    ['{"a": [1], "b": ["c"]}.size() == 2', "expected type 'list(int)' but found 'list(string)'"],
    ['self.size * 2.0 > 1.0', "'_*_' applied to '(int, double)'"],
    ['self.size && true', "expected type 'bool' but found 'int'"],
    [
      '(self.size > 1 ? self.owner : self.maybe) == self.owner',
      "'_?_:_' applied to '(bool, selfType.owner, selfType.maybe)'",
    ],
    ['self.labels[1] == "a"', "'_[_]' applied to '(map(string, string), int)'"],
    ['self.size.startsWith("a")', "'startsWith' applied to 'int.(string)'"],
    ['self.names.sum() == 1', "'sum' applied to 'list(string).()'"],
    ['self.owner.all(key, true)', /'selfType.owner' cannot be range of a comprehension/],
    ['self.names.all(i, name, name == i)', "'_==_' applied to '(string, int)'"],
    ['self.names.all(i, i, true)', 'duplicate variable name: i'],
    ['self.together.transformList(i, one, one.nosuch).size() > 1', "undefined field 'nosuch'"],
    ['self.?size.optMap(size, size + "a").hasValue()', "'_+_' applied to '(int, string)'"],
    [
      'self.?size.or(self.?names).hasValue()',
      "'or' applied to 'optional_type(int).(optional_type(list(string)))'",
    ],
    ['math.abs(self.size) == 1', "undeclared reference to 'math' (in container '')"],
    ['self.names[0].reverse() == "a"', "undeclared reference to 'reverse' (in container '')"],
    ['self.since > timestamp("yesterday")', 'invalid timestamp argument'],
    ['self.names[0].matches("(")', 'invalid matches argument'],
    ['dyn(self.size)', 'cel expression must evaluate to a bool'],
  ])('what can never be evaluated is refused: %s', (rule, words) => {
    expect(fault(rule)).toMatch(words);
  });

  test.each([
    '[dyn(1), dyn("a")].size() == 2 && [[], [1]].size() == 2 && "%s %d".format(["a", 1]) == "a 1"',
    'self.size < 1.5 && self.since + duration("1h") > self.since && self.since - self.since < duration("1h")',
    'self.labels.all(key, value, key != value) && self.names.exists(i, name, i > 0 && name == "a")',
    'self.together.transformMapEntry(i, one, {one.name: one.size}) == {"a": 1}',
    'self.labels.transformMap(key, value, value + "x") == self.labels',
    'self.?size.optMap(size, size + 1) == optional.of(2) && self.?owner.optFlatMap(o, o.?name).hasValue()',
    'format.named("uuid").hasValue() && sets.contains(self.names, ["a"]) && sign(quantity("1")) == 1',
    'type(self.port) == string && type(self.size) == type(1) && cidr("::/0").ip() == ip("::")',
  ])('what can be evaluated is taken: %s', (rule) => {
    expect(fault(rule)).toBeUndefined();
    expect(() => compileSchema(object({ spec: ruled(spec, rule) }))).not.toThrow();
  });

  test('is judged in the expression of its message and with an optional oldSelf too', () => {
    const rule = 'oldSelf.hasValue() && self == oldSelf.value()';
    expect(fault({ rule, optionalOldSelf: true })).toBeUndefined();
    expect(fault({ rule: 'self == oldSelf', optionalOldSelf: true })).toBe(
      "'_==_' applied to '(selfType, optional_type(selfType))'",
    );
    const messageExpression = 'self.size == "1" ? "a" : "b"';
    const errors = checkRuleTypes(object({ spec: ruled(spec, { rule: 'true', messageExpression }) }), 'at');
    expect(errors.map(({ field }) => field)).toEqual([
      'at.properties[spec].x-kubernetes-validations[0].messageExpression',
    ]);
  });
});

test('no rule of our own definitions compares two types', () => {
  const files = readdirSync('crds').filter((name) => name.startsWith('vireo.dev_'));
  const versions = files.flatMap((name) => parse(readFileSync(`crds/${name}`, 'utf8')).spec.versions);
  expect(versions.length).toBeGreaterThan(10);
  expect(versions.flatMap(({ schema }) => checkRuleTypes(schema.openAPIV3Schema, ''))).toEqual([]);
});
