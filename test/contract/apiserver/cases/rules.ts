/** CEL rules: which a definition may hold, and how they judge. */
import { type Case, type Step, step } from '../suite.ts';
import { widgetDefinition } from '../widgets.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const group = '{ns}.dev';
const widgets = `/apis/${group}/v1/namespaces/{ns}/widgets`;

const text = { type: 'string', maxLength: 10 };
const part = { type: 'object', properties: { name: text, count: { type: 'integer' } } };
const spec = {
  type: 'object',
  properties: {
    size: { type: 'integer' },
    share: { type: 'number' },
    port: { 'x-kubernetes-int-or-string': true, maxLength: 10 },
    note: { ...text, nullable: true },
    owner: part,
    other: part,
    names: { type: 'array', maxItems: 5, items: text },
    labels: { type: 'object', maxProperties: 5, additionalProperties: text },
  },
};

const inTime = (format: string) => ({ type: 'string', format, maxLength: 40 });
const times = {
  type: 'object',
  properties: {
    t: inTime('date-time'),
    day: inTime('date'),
    d: inTime('duration'),
    days: inTime('duration'),
  },
};

function definition(...rules: string[]): unknown {
  return definitionOf(spec, rules);
}

function timeDefinition(...rules: string[]): unknown {
  return definitionOf(times, rules);
}

function definitionOf(fields: object, rules: readonly string[]): unknown {
  const ruled = {
    ...fields,
    'x-kubernetes-validations': rules.map((rule) => ({ rule, message: `not ${rule}` })),
  };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: ruled } } };
  return widgetDefinition(group, { versions: [{ name: 'v1', served: true, storage: true, schema }] });
}

function refused(rule: string, fault: string): Step {
  const words = fault.replace(/[.*+?^$()|[\]\\/{}]/g, '\\$&').replaceAll('selfType', 'selfType\\d*');
  const message = `/x-kubernetes-validations\\[0\\]\\.rule: Invalid value: .*${words}/`;
  return step(
    'POST',
    `${definitions}?dryRun=All`,
    { code: 422, body: { message } },
    { body: definition(rule) },
  );
}

const full = {
  size: 1,
  note: null,
  owner: { name: 'x' },
  names: ['a', 'b', 'a'],
  labels: { k: 'v', l: 'w' },
};
/** All hold for `full`. */
const holding = [
  'self.names.all(i, n, i < 3 && (n == "a" || i == 1)) && !self.names.all(i, n, i < 2)',
  'self.labels.exists(k, v, k == "l" && v == "w") && self.names.existsOne(i, n, n == "b")',
  'self.names.transformList(i, n, i > 0, n) == ["b", "a"]',
  'self.labels.transformMap(k, v, v + k) == {"k": "vk", "l": "wl"}',
  'self.labels.transformMapEntry(k, v, {v: k}) == {"v": "k", "w": "l"}',
  'self.?size == optional.of(1) && self.?size.optMap(s, s + 1).orValue(0) == 2',
  'self.?owner.optFlatMap(o, o.?name).orValue("") == "x" && !self.?owner.?count.hasValue()',
  'self.names.first().value() == "a" && self.names.last().value() == "a"',
  '!has(self.note) && !self.?note.hasValue()',
  '[?self.?note, "a", ?self.?owner.?name,] == ["a", "x"] && [?self.?size] + [?self.?owner.?count] == [1]',
  '{?"k": self.?note, ?"l": self.?owner.?name, "m": true ? "y" : "z"} == {"l": "x", "m": "y"}',
];

const moment = { t: '2020-01-01T00:00:00.123456+02:00', day: '2020-01-02', d: '1h0m1.5s', days: '3 days' };
/** All hold for `moment`. */
const holdingThen = [
  'string(self.t) == "2020-01-01T00:00:00.123456+02:00" && string(self.day) == "2020-01-02T00:00:00Z"',
  'string(self.d) == "3601.5s" && string(self.days) == "259200s" && string(duration("-0.5s")) == "-0.5s"',
  'string(timestamp("2020-01-01T00:00:00Z") - duration("1ns")) == "2019-12-31T23:59:59.999999999Z"',
  'string(timestamp("2020-01-01T00:00:00.000001Z") - timestamp("2020-01-01T00:00:00Z")) == "0.000001s"',
  'timestamp("2020-01-01T00:00:00.0000001Z") > timestamp("2020-01-01T00:00:00Z")',
  'timestamp("2020-01-01T00:00:00+01:00") == timestamp("2019-12-31T23:00:00Z")',
  'self.t.getHours() == 22 && self.t.getDayOfMonth() == 30 && self.t.getHours("America/New_York") == 17',
  'self.t.getHours("02:30") == 0 && self.t.getMilliseconds() == 123 && self.day.getDayOfYear() == 1',
  'int(duration("1.5s")) == 1500000000 && int(timestamp("2020-01-01T00:00:00.9Z")) == 1577836800',
  'string([duration("1s"), duration("2s")].sum()) == "3s" && duration("-0.5s") + duration("0s") == duration("-500ms")',
  '{"a": duration("1s")} == {"a": duration("1000ms")} && timestamp(-62135596800).getFullYear() == 1',
  '"%s %s".format([timestamp("2020-01-01T00:00:00.000002Z"), duration("1.5s")]) == "2020-01-01T00:00:00.000002Z 1.5s"',
];

export const ruleCases: Case[] = [
  {
    name: 'times and durations are exact to the nanosecond, and texts of them are as they came',
    comparedWith: '1.33.4',
    steps: [
      step('POST', definitions, { code: 201 }, { body: timeDefinition(...holdingThen) }),
      step('GET', widgets, { code: 200, eventually: true }),
      step(
        'POST',
        widgets,
        { code: 201, eventually: true },
        { body: { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name: 'then' }, spec: moment } },
      ),
      step('DELETE', `${definitions}/widgets.${group}`, { code: 200 }),
      step(
        'POST',
        definitions,
        { code: 201, eventually: true },
        {
          body: timeDefinition(
            'duration("2562047h") + duration("2562047h") > self.d',
            'timestamp("0001-01-01T00:00:00Z") - duration("1s") < self.t',
            'self.t.getHours("Nowhere/X") == 0',
            'self.t - timestamp("1700-01-01T00:00:00Z") > self.d',
          ),
        },
      ),
      step('GET', widgets, { code: 200, eventually: true }),
      step(
        'POST',
        widgets,
        { code: 422, body: { details: { causes: Array(4).fill('<any>') } }, eventually: true },
        { body: { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name: 'then' }, spec: moment } },
      ),
      step('DELETE', `${definitions}/widgets.${group}`, { code: 200 }),
    ],
  },
  {
    name: 'a rule over two variables, or what may be absent, is taken and judged',
    comparedWith: '1.33.4',
    steps: [
      step('POST', definitions, { code: 201 }, { body: definition(...holding) }),
      step('GET', widgets, { code: 200, eventually: true }),
      step(
        'POST',
        widgets,
        { code: 201, eventually: true },
        { body: { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name: 'full' }, spec: full } },
      ),
      ...[{ names: ['a', 'b', 'c'] }, { labels: { k: 'v', l: 'v' } }, { size: 2 }, { note: '' }].map(
        (change) =>
          step(
            'PATCH',
            `${widgets}/full`,
            { code: 422, body: { reason: 'Invalid' } },
            { type: 'application/merge-patch+json', body: { spec: change } },
          ),
      ),
      step('DELETE', `${definitions}/widgets.${group}`, { code: 200 }),
    ],
  },
  {
    name: 'a rule whose operands never fit is refused, fault by fault',
    comparedWith: '1.33.4',
    steps: [
      refused('has(self.nosuch)', "undefined field 'nosuch'"),
      refused('has(self.owner.nosuch)', "undefined field 'nosuch'"),
      refused('self.?nosuch.hasValue()', "undefined field 'nosuch'"),
      refused('self.size.nosuch == 1', "type 'int' does not support field selection"),
      refused('has(self.names[0])', 'invalid argument to has() macro'),
      refused('[1, "a"].size() == 2', "expected type 'int' but found 'string'"),
      refused('[1, self.port].size() == 2', "expected type 'int' but found 'dyn'"),
      refused('{"a": 1, "b": "c"}.size() == 2', "expected type 'int' but found 'string'"),
      refused('[?self.size].size() == 1', "expected type 'optional_type(int)' but found 'int'"),
      refused('{?"k": self.size}.size() == 1', "expected type 'optional_type(int)' but found 'int'"),
      refused('["a", ?self.?size].size() == 1', "expected type 'string' but found 'int'"),
      refused('self.size * 2.0 > 1.0', "found no matching overload for '_*_' applied to '(int, double)'"),
      refused('self.size < "a"', "found no matching overload for '_<_' applied to '(int, string)'"),
      refused('self.size && true', "expected type 'bool' but found 'int'"),
      refused(
        '(self.size > 1 ? self.owner : self.other) == self.owner',
        "found no matching overload for '_?_:_' applied to '(bool, selfType.owner, selfType.other)'",
      ),
      refused(
        'self.names["a"] == "a"',
        "found no matching overload for '_[_]' applied to '(list(string), string)'",
      ),
      refused(
        'self.size.startsWith("a")',
        "found no matching overload for 'startsWith' applied to 'int.(string)'",
      ),
      refused('self.names.sum() == 1', "found no matching overload for 'sum' applied to 'list(string).()'"),
      refused(
        'self.names.all(n, n + 1 == 2)',
        "found no matching overload for '_+_' applied to '(string, int)'",
      ),
      refused(
        'self.owner.all(k, true)',
        "expression of type 'selfType.owner' cannot be range of a comprehension",
      ),
      refused(
        'self.names.all(i, n, i == n)',
        "found no matching overload for '_==_' applied to '(int, string)'",
      ),
      refused('self.names.all(i, i, true)', 'duplicate variable name: i'),
      refused('self.note == null', "found no matching overload for '_==_' applied to '(string, null)'"),
      refused('self.names[0].reverse() == "a"', "undeclared reference to 'reverse' (in container '')"),
      refused('duration("1d") > duration("1h")', 'invalid duration argument'),
      refused('duration(1500) > duration("1h")', 'invalid duration argument'),
      refused('self.names[0].matches("(")', 'invalid matches argument'),
      refused('dyn(self.size)', 'cel expression must evaluate to a bool'),
      refused('self.port', 'cel expression must evaluate to a bool'),
    ],
  },
];
