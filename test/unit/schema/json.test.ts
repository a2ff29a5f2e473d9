/** Whole numbers of 64 bits through JSON and YAML: what is written comes back, digit by digit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeJson, decodeYaml } from '../../../src/apiserver/wire/decode.ts';
import { printYaml } from '../../../src/apiserver/wire/yaml.ts';
import { compileSchema } from '../../../src/schema/compile.ts';
import { fromInt64, parseMarked, parseWide, printJson, printMarked } from '../../../src/schema/json.ts';
import { canonicalJson, equalJson } from '../../../src/schema/values.ts';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(fromInt64);
const edge = fc
  .tuple(fc.constantFrom(2n ** 53n, -(2n ** 53n), 2n ** 63n - 2n, 2n - 2n ** 63n, 0n), fc.bigInt(-2n, 1n))
  .map(([base, near]) => fromInt64(base + near));
/** Doubles whose text is no whole number of 64 bits: those are read as such, by Go too. */
const double = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= 2 ** 63)
  .map((value) => (value === 0 ? 0 : value));
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('#', '#n1', '#n9007199254740993', '#s', '\\#', '"#n1"', '9007199254740993', ': 1'),
);
const tree = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(int64, edge, double, text, fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, fc.constant('__proto__')), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).value;

const bytes = (json: string) => Buffer.from(json, 'utf8');
/** Lone surrogates have no place in UTF-8. */
const wellFormed = (value: unknown) => !/\\u[dD][89a-fA-F]/.test(printJson(value));

describe('JSON with whole numbers of 64 bits', () => {
  it('comes back as it was printed, whatever strings look like marks', () => {
    fc.assert(
      fc.property(tree, (value) => {
        expect(equalJson(parseWide(printJson(value)), value)).toBe(true);
        expect(equalJson(parseMarked(printMarked(value)), value)).toBe(true);
        expect(printJson(parseWide(printJson(value)))).toBe(printJson(value));
      }),
      { numRuns: 2000 },
    );
  });

  it('comes back from a body, in JSON and in YAML', async () => {
    await fc.assert(
      fc.asyncProperty(tree.filter(wellFormed), async (value) => {
        const body = { value };
        expect(equalJson(decodeJson(bytes(printJson(body))).value, body)).toBe(true);
        expect(equalJson((await decodeYaml(bytes(printYaml(body)))).value, body)).toBe(true);
      }),
    );
  });

  it('is what JSON.parse and JSON.stringify make of it where there are none', () => {
    fc.assert(
      fc.property(
        fc.json().filter((json) => !/\d{16}/.test(json)),
        (json) => {
          expect(parseWide(json)).toStrictEqual(JSON.parse(json));
          expect(printJson(JSON.parse(json))).toBe(JSON.stringify(JSON.parse(json)));
        },
      ),
    );
  });

  it.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9223372036854775807', 9223372036854775807n],
    // Beyond 64 bits, and with a fraction or an exponent, Go makes a double of it.
    ['9223372036854775808', 2 ** 63],
    ['9007199254740993.0', 9007199254740992],
    ['1e17', 1e17],
    ['1.0', 1],
  ])('reads %s as Go does', async (number, value) => {
    expect(decodeJson(bytes(`{"a":[${number}]}`)).value).toStrictEqual({ a: [value] });
    expect((await decodeYaml(bytes(`a: [${number}]\n`))).value).toStrictEqual({ a: [value] });
  });

  it('sees keys written twice beside them', () => {
    expect(decodeJson(bytes('{"a":9007199254740993,"a":9007199254740995}'))).toEqual({
      value: { a: 9007199254740995n },
      duplicates: ['a'],
    });
  });
});

describe('values with whole numbers of 64 bits', () => {
  it('are equal exactly when their numbers are', () => {
    expect(equalJson({ a: 9007199254740993n }, { a: 9007199254740993n })).toBe(true);
    expect(equalJson({ a: 9007199254740993n }, { a: 9007199254740992 })).toBe(false);
    expect(equalJson({ a: 9007199254740992n }, { a: 9007199254740992 })).toBe(true);
    expect(equalJson(9007199254740993n, '9007199254740993')).toBe(false);
    expect(canonicalJson({ b: 1, a: 9007199254740993n })).toBe('{"a":9007199254740993,"b":1}');
  });

  const schema = compileSchema({
    type: 'object',
    properties: {
      n: { type: 'integer', format: 'int64', maximum: 2 ** 63 - 1024 },
      small: { type: 'integer', format: 'int32' },
      d: { type: 'number' },
      any: { 'x-kubernetes-int-or-string': true },
      set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'integer' } },
      even: { type: 'integer', multipleOf: 2 },
      one: { type: 'integer', enum: [9007199254740993n] },
    },
    'x-kubernetes-validations': [
      { rule: '!has(self.n) || self.n != 9007199254740992', message: 'not that one' },
      { rule: '!has(self.d) || self.d > 0.5', message: 'too small' },
    ],
  });
  const faults = (value: object) => schema.validate(value).map(({ message }) => message);

  it.each<[object, RegExp | undefined]>([
    [{ n: 9007199254740993n }, undefined],
    [{ n: 9007199254740992n }, /not that one/],
    [{ n: 9223372036854775807n }, /should be less than or equal to/],
    [{ n: 1e17 }, /must be of type integer: "number"/],
    [{ small: 9007199254740993n }, /int32/],
    [{ d: 9007199254740993n }, undefined],
    [{ any: 9007199254740993n }, undefined],
    [{ set: [9007199254740993n, 9007199254740995n] }, undefined],
    [{ set: [9007199254740993n, 9007199254740993n] }, /Duplicate value: 9007199254740993/],
    [{ even: 9007199254740994n }, undefined],
    [{ even: 9007199254740993n }, /should be a multiple of 2/],
    [{ one: 9007199254740993n }, undefined],
    [{ one: 9007199254740995n }, /supported values: "9007199254740993"/],
  ])('are validated exactly: %o', (value, fault) => {
    const found = faults(value).join('\n');
    if (fault === undefined) expect(found).toBe('');
    else expect(found).toMatch(fault);
  });
});
