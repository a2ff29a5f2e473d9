/** Laws of field sets, checked on random ones, and their encoding in FieldsV1. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalElement,
  keyElement,
  pathText,
  valueElement,
} from '../../../../src/apiserver/apply/element.ts';
import {
  difference,
  differenceBelow,
  emptySet,
  equalSets,
  type FieldSet,
  intersection,
  pathSet,
  pathsOf,
  union,
} from '../../../../src/apiserver/apply/fieldset.ts';
import { decodeFields, encodeFields } from '../../../../src/apiserver/apply/fieldsv1.ts';

const elements = ['f:a', 'f:b', 'k:{"name":"x"}', 'v:1'];
const paths = fc.array(fc.array(fc.constantFrom(...elements), { minLength: 1, maxLength: 4 }), {
  maxLength: 8,
});
const sets = paths.map((list) => list.map(pathSet).reduce(union, emptySet));
const texts = (set: FieldSet) => new Set(pathsOf(set).map((path) => path.join('/')));

describe('field sets', () => {
  it('behave as sets of paths', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const [inA, inB] = [texts(a), texts(b)];
        expect(texts(union(a, b))).toEqual(new Set([...inA, ...inB]));
        expect(texts(intersection(a, b))).toEqual(new Set([...inA].filter((path) => inB.has(path))));
        expect(texts(difference(a, b))).toEqual(new Set([...inA].filter((path) => !inB.has(path))));
        const below = (path: string) =>
          [...inB].some((other) => path === other || path.startsWith(`${other}/`));
        expect(texts(differenceBelow(a, b))).toEqual(new Set([...inA].filter((path) => !below(path))));
        expect(equalSets(a, b)).toBe(inA.size === inB.size && [...inA].every((path) => inB.has(path)));
      }),
    );
  });

  it('return themselves when nothing is taken from them', () => {
    fc.assert(fc.property(sets, (set) => difference(set, pathSet(['f:other'])) === set));
  });

  it('survive FieldsV1', () => {
    fc.assert(
      fc.property(sets, (set) => {
        const decoded = decodeFields(JSON.parse(JSON.stringify(encodeFields(set))));
        expect(decoded !== undefined && equalSets(decoded, set)).toBe(true);
      }),
    );
  });

  it('mark a member that has members below it by a dot', () => {
    const set = union(pathSet(['f:spec']), pathSet(['f:spec', 'f:cpu']));
    expect(encodeFields(set)).toEqual({ 'f:spec': { '.': {}, 'f:cpu': {} } });
  });

  it.each([[[]], ['text'], [{ spec: {} }], [{ 'f:spec': 1 }], [{ 'k:nonsense': {} }], [{ 'i:x': {} }]])(
    'are not read from garbage: %j',
    (fields) => {
      expect(decodeFields(fields)).toBeUndefined();
    },
  );

  it('are not read from a tree deeper than any object', () => {
    let tree = {};
    for (let depth = 0; depth < 10_000; depth++) tree = { 'f:a': tree };
    expect(decodeFields(tree)).toBeUndefined();
  });
});

describe('path elements', () => {
  it('have one spelling whoever wrote them', () => {
    expect(canonicalElement('k:{"port": 80, "host": "a<b"}')).toBe('k:{"host":"a\\u003cb","port":80}');
    expect(canonicalElement('v: "a" ')).toBe(valueElement('a'));
    expect(canonicalElement('v:1.0')).toBe(valueElement(1));
    expect(
      keyElement([
        ['b', 1],
        ['a', 2],
      ]),
    ).toBe('k:{"a":2,"b":1}');
  });

  it('read as kube-apiserver prints them', () => {
    const path = ['f:spec', 'f:ports', 'k:{"port":80,"protocol":"TCP"}', 'f:tags', 'v:"x"', 'i:3'];
    expect(pathText(path)).toBe('.spec.ports[port=80,protocol="TCP"].tags[="x"][3]');
  });
});
