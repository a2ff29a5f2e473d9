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

function definition(...rules: string[]): unknown {
  const ruled = {
    ...spec,
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

export const ruleCases: Case[] = [
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
      refused('self.names[0].matches("(")', 'invalid matches argument'),
      refused('dyn(self.size)', 'cel expression must evaluate to a bool'),
      refused('self.port', 'cel expression must evaluate to a bool'),
    ],
  },
];
