import { describe, expect, test } from 'vitest';
import { compileSchema } from '../../../src/schema/compile.ts';
import { SchemaError } from '../../../src/schema/node.ts';
import { check, integer, list, named, object, ruled, shown, text } from './builders.ts';

const pair = object({ a: integer, b: integer });

describe('a broken rule', () => {
  test('is reported with its message, or its text when it has none', () => {
    const rule = { rule: 'self.a > self.b', message: 'a must be above b' };
    expect(check(ruled(pair, rule), { a: 1, b: 2 })).toEqual([
      'spec: Invalid value: "object": a must be above b',
    ]);
    expect(check(ruled(pair, 'self.a > 5'), { a: 1 })).toEqual([
      'spec: Invalid value: "object": failed rule: self.a > 5',
    ]);
    expect(check(ruled(pair, rule), { a: 3, b: 2 })).toEqual([]);
  });

  test('can make its message, and falls back when that fails', () => {
    const rule = (messageExpression: string) => ({ rule: 'self.a > 5', message: 'plain', messageExpression });
    expect(check(ruled(pair, rule('"a is " + string(self.a)')), { a: 1 })).toEqual([
      'spec: Invalid value: "object": a is 1',
    ]);
    expect(check(ruled(pair, rule('"b is " + string(self.b)')), { a: 1 })).toEqual([
      'spec: Invalid value: "object": plain',
    ]);
  });

  test('points to a field below and gives its reason', () => {
    const rule = {
      rule: 'self.a > 5',
      message: 'no',
      fieldPath: '.a',
      reason: 'FieldValueForbidden',
    } as const;
    expect(check(ruled(pair, rule), { a: 1 })).toEqual(['spec.a: Forbidden: no']);
    expect(check(ruled(pair, { ...rule, reason: 'FieldValueRequired' }), { a: 1 })).toEqual([
      'spec.a: Required value: no',
    ]);
  });

  test('can ask whether there is a field of an item, of an entry, of what was chosen', () => {
    const item = object({ b: text, c: object({ d: text }), tags: list(text) });
    const spec = object({ a: list(item), m: { type: 'object', additionalProperties: item } });
    const verdict = (rule: string, value: unknown) =>
      check(ruled(spec, { rule, message: 'no' }), value).length === 0;
    const full = { a: [{ b: 'x', c: { d: 'y' } }, { b: 'z' }], m: { k: { c: {} } } };
    expect(verdict('has(self.a[0].b) && has(self.a[0].c.d) && has(self.m["k"].c)', full)).toBe(true);
    expect(verdict('has(self.a[1].c)', full)).toBe(false);
    expect(verdict('has(self.m["k"].c.d) || has(self.m["k"].b)', full)).toBe(false);
    expect(verdict('has(self.a.filter(x, has(self.a[1].c) || x.b == "x")[0].c)', full)).toBe(true);
    expect(verdict('has((self.a.size() > 1 ? self.a[1] : self.a[0]).c)', full)).toBe(false);
    expect(verdict('self.a.all(x, "has(self.a[0].b)" != x.b && x.b.matches("^[xz]$"))', full)).toBe(true);
  });

  test('can leave items of a literal out', () => {
    const spec = object({ a: text, b: text, n: integer, l: list(text) });
    const verdict = (rule: string, value: unknown) =>
      check(ruled(spec, { rule, message: 'no' }), value).length === 0;
    for (const rule of [
      '[?self.?a, "b", ?self.?b, "c",] == ["x", "b", "c"]',
      '[?(self).?a, (self.a) + ("y")] == ["x", "xy"]',
      '[[?self.?a], [?self.?b]] == [["x"], []]',
      '{?"a": self.?a, ?"b": self.?b, "c": self.n == 1 ? "?" : "", } == {"a": "x", "c": "?"}',
      '{?"a": self.?a.optMap(v, {?"b": self.?b, ?"c": self.?a})} == {"a": {"c": "x"}}',
      '[?self.l[?0], ?self.l[?9]] == ["p"] // [?self.?b]',
      '[?optional.none()] == [] && "[?a]" + r\'{?"\' == "[?a]{?\\""',
      'self.a in [?self.?b, ?self.?a] && (self.n == 1 ? [?self.?b] : ["a"]).size() == 0',
      'self.l.map(x, [?optional.of(x)]) == [["p"]] && self.l.transformMap(i, v, [?self.?b])[0] == []',
    ])
      expect(`${rule}: ${verdict(rule, { a: 'x', n: 1, l: ['p'] })}`).toBe(`${rule}: true`);
    for (const rule of ['[?]', '[?self.?a', 'size([1, ?])', '{?}', 'size(?self.?a) > 0'])
      expect(() => verdict(rule, {}), rule).toThrow(SchemaError);
  });

  test('that fails to evaluate is no pass', () => {
    expect(check(ruled(pair, 'self.a > 5'), {})).toEqual([
      'spec: Invalid value: "object": No such key: a evaluating rule: failed rule: self.a > 5',
    ]);
  });

  test('is named at the item or entry it stands at', () => {
    const item = ruled(text, 'self.startsWith("x")');
    expect(check(list(item), ['xa', 'b'])).toEqual([
      'spec[1]: Invalid value: "string": failed rule: self.startsWith("x")',
    ]);
    expect(check({ type: 'object', additionalProperties: item }, { k: 'b' })).toEqual([
      'spec[k]: Invalid value: "string": failed rule: self.startsWith("x")',
    ]);
  });

  test('is not looked for in an object of the wrong shape', () => {
    expect(check(ruled(pair, 'self.a > 5'), { a: 'x' })).toEqual([
      'spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"',
      '<nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    ]);
  });
});

describe('rules on updates', () => {
  const immutable = ruled(pair, 'self.a == oldSelf.a');

  test('a transition rule is judged on updates only', () => {
    expect(check(immutable, { a: 1 })).toEqual([]);
    expect(check(immutable, { a: 1 }, { a: 1, b: 1 })).toEqual([]);
    expect(check(immutable, { a: 2 }, { a: 1 })).toHaveLength(1);
  });

  test('with an optional oldSelf it is judged on both', () => {
    const growing = {
      rule: '!oldSelf.hasValue() || self.a >= oldSelf.value().a',
      optionalOldSelf: true,
    };
    expect(check(ruled(pair, growing), { a: 1 })).toEqual([]);
    expect(check(ruled(pair, growing), { a: 1 }, { a: 2 })).toHaveLength(1);
  });

  test('items of a keyed list are compared with their own past', () => {
    const disk = ruled(object({ name: text, size: integer }), 'self.size >= oldSelf.size');
    const disks = { ...named({}), items: disk };
    const old = [
      { name: 'a', size: 5 },
      { name: 'b', size: 1 },
    ];
    expect(
      check(
        disks,
        [
          { name: 'b', size: 2 },
          { name: 'new', size: 0 },
        ],
        old,
      ),
    ).toEqual([]);
    expect(check(disks, [{ name: 'a', size: 4 }], old)).toHaveLength(1);
  });

  test('an unchanged value is not held against a rule that came later', () => {
    expect(check(ruled(pair, 'self.a > 5'), { a: 1 }, { a: 1 })).toEqual([]);
    expect(check(ruled(pair, 'self.a > 5'), { a: 1, b: 1 }, { a: 1 })).toHaveLength(1);
  });
});

describe('what rules see', () => {
  const holds = (schema: Parameters<typeof ruled>[0], value: unknown, ...rules: string[]) =>
    expect(check(ruled(schema, ...rules), value)).toEqual([]);

  test('integers are integers, numbers are doubles', () => {
    holds(
      object({ i: integer, d: { type: 'number' } }),
      { i: 7, d: 7 },
      'self.i / 2 == 3',
      'self.d / 2.0 == 3.5',
    );
    holds({ 'x-kubernetes-int-or-string': true }, 5, 'type(self) == int ? self == 5 : false');
    holds(
      { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      { x: [{ y: 7 }] },
      'self.x[0].y % 2 == 1',
    );
  });

  test('names that are no identifiers are escaped', () => {
    holds(
      object({ 'my-field': integer, namespace: text }),
      { 'my-field': 1, namespace: 'x' },
      'self.my__dash__field == 1',
      'self.__namespace__ == "x"',
    );
  });

  test('times and durations can be compared', () => {
    const times = object({
      t: { type: 'string', format: 'date-time' },
      d: { type: 'string', format: 'duration' },
    });
    holds(
      times,
      { t: '2026-01-01T00:00:00Z', d: '90m' },
      'self.t < timestamp("2027-01-01T00:00:00Z")',
      'self.d > duration("1h")',
    );
  });

  test('durations may be in days and weeks, and one of a wrong unit fails the rule, not the server', () => {
    const schema = object({ d: { type: 'string', format: 'duration' } });
    holds(schema, { d: '3 days' }, 'self.d == duration("72h") && string(self.d) == "259200s"');
    holds(schema, { d: '1w 2 hrs' }, 'self.d == duration("170h")');
    expect(check(ruled(schema, 'self.d > duration("1h")'), { d: '3 h 2 moons' })).toEqual([
      expect.stringContaining('evaluating rule: failed rule: self.d > duration("1h")'),
    ]);
  });

  test('times and durations are exact to the nanosecond', () => {
    const value = { t: '2020-01-01T00:00:00.123456789+02:00' };
    holds(
      object({ t: { type: 'string', format: 'date-time' } }),
      value,
      'string(self.t) == "2020-01-01T00:00:00.123456789+02:00"',
      'self.t == timestamp("2019-12-31T22:00:00.123456789Z") && self.t.getHours() == 22',
      'self.t < timestamp("2019-12-31T22:00:00.123456790Z") && self.t in [self.t]',
      'string(self.t - timestamp("2019-12-31T22:00:00Z")) == "0.123456789s"',
      'string(timestamp("1969-12-31T23:59:59.5Z")) == "1969-12-31T23:59:59.5Z" && int(timestamp("1969-12-31T23:59:59.5Z")) == -1',
      'self.t.getHours("-03:30") == 18 && self.t.getHours("Asia/Tokyo") == 7 && self.t.getMilliseconds("Asia/Tokyo") == 123',
      '[duration("1s"), duration("-0.5s")].sum() == duration("500ms")',
    );
  });

  test('a field that is null is absent, an entry of a map is not', () => {
    const nullable = { type: 'string', nullable: true } as const;
    const schema = object({ n: nullable, m: { type: 'object', additionalProperties: nullable } });
    holds(schema, { n: null }, '!has(self.n) && !self.?n.hasValue()');
    holds(schema, {}, '!has(self.n)');
    holds(schema, { m: { k: null } }, '"k" in self.m && self.m["k"] == null');
  });

  test('loops over two variables see places and keys beside what stands there', () => {
    const schema = object({ l: list(text), m: { type: 'object', additionalProperties: integer } });
    holds(
      schema,
      { l: ['a', 'b', 'a'], m: { x: 1, y: 2 } },
      'self.l.all(i, v, i < 3 && (v == "a" || i == 1)) && !self.l.all(i, v, i < 2)',
      'self.m.exists(k, v, k == "y" && v == 2) && !self.m.exists(k, v, k == "x" && v == 2)',
      'self.l.exists_one(i, v, v == "b") && !self.l.existsOne(i, v, v == "a")',
      'self.l.transformList(i, v, v + string(i)) == ["a0", "b1", "a2"]',
      'self.l.transformList(i, v, (v == "a"), (i)) == [0, 2]',
      'self.m.transformMap(k, v, v * 2) == {"x": 2, "y": 4}',
      'self.m.transformMap(k, v, k != "x", [k, ","]) == {"y": ["y", ","]}',
      'self.l.transformMap(i, v, v)[2] == "a" && self.l.transformMap(i, v, v).size() == 3',
      'self.m.transformMapEntry(k, v, {string(v): k}) == {"1": "x", "2": "y"}',
      '(self.l + self.l).all(i, v, self.l.exists(j, w, i % 3 == j && v == w))',
      'self.l.all(i, v, self.l.transformList(j, w, w + v).all(k, l, l.size() == 2))',
    );
    expect(
      check(ruled(schema, 'self.l.transformMapEntry(i, v, {v: i}).size() > 0'), { l: ['a', 'a'] }),
    ).toEqual([expect.stringContaining('insert failed: key a already exists evaluating rule')]);
  });

  test('what may be absent can be compared, made of something and gathered', () => {
    const schema = object({ n: integer, o: object({ p: text }), l: list(integer) });
    holds(
      schema,
      { n: 1, o: { p: 'x' }, l: [4, 5] },
      'self.?n == optional.of(1) && self.?n != optional.none() && self.?o.p == optional.of("x")',
      'self.?n.optMap(n, n + 1).orValue(0) == 2 && self.?o.optFlatMap(o, o.?p).value() == "x"',
      'self.l.first().value() == 4 && self.l.last().value() == 5 && !(self.l + []).filter(x, false).first().hasValue()',
      'optional.unwrap([self.?n, optional.none()]) == [1] && [self.?n].unwrapOpt() == [1]',
      'optional.ofNonZeroValue(self.n).hasValue() && !optional.ofNonZeroValue("").hasValue()',
    );
    holds(schema, {}, 'self.?n == optional.none() && self.?n.optMap(n, n + 1).orValue(0) == 0');
    holds(schema, { o: {} }, '!self.?o.optFlatMap(o, o.?p).hasValue()');
  });

  test('the root sees its name', () => {
    const schema = ruled(object({ spec: text }), 'self.metadata.name == self.spec');
    expect(compileSchema(schema).validate({ metadata: { name: 'a' }, spec: 'a' })).toEqual([]);
  });

  test('a regular expression cannot stall the server, and text that only looks like a call stays', () => {
    const evil = { rule: `!self.matches('^(a+)+$') && '.matches(x)' != self`, message: 'm' };
    const start = performance.now();
    expect(check(ruled(text, evil), `${'a'.repeat(5000)}b`)).toEqual([]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('a rule that cannot be right is refused when the schema is compiled', () => {
  test.each([
    ['self.a +', /Unexpected token/],
    ['size("a")', /cel expression must evaluate to a bool/],
    ['nosuch(self.a)', /no matching overload/],
    ['other.a == 1', /Unknown variable/],
  ])('%s', (rule, message) => {
    const compile = () => compileSchema(object({ spec: ruled(pair, rule) }));
    expect(compile).toThrow(SchemaError);
    expect(compile).toThrow(message);
    expect(compile).toThrow(/^properties\[spec\]\.x-kubernetes-validations\[0\]\.rule: /);
  });

  test('a field path the schema has not', () => {
    const compile = () => compileSchema(ruled(pair, { rule: 'true', fieldPath: '.c' }));
    expect(compile).toThrow(/fieldPath must be a valid path/);
  });
});

test('the errors of a whole resource stand at <nil>', () => {
  const schema = ruled(object({ spec: text }), { rule: 'self.spec == "a"', message: 'no' });
  expect(shown(compileSchema(schema).validate({ spec: 'b' }))).toEqual([
    '<nil>: Invalid value: "object": no',
  ]);
});
