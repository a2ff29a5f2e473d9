import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyMergePatch, mergePatchOf } from '../../../src/client/patch.ts';

const json = fc.letrec((tie) => ({
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('value'), { maxKeys: 4 }),
  value: fc.oneof(
    { depthSize: 'small' },
    fc.integer({ min: 0, max: 3 }),
    fc.string({ maxLength: 2 }),
    fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 3 }),
    tie('object'),
  ),
}));

describe('merge patches', () => {
  it('between any two objects lead from one to the other', () => {
    const pair = fc.tuple(json.object, json.object) as fc.Arbitrary<[object, object]>;
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const patch = mergePatchOf({ ...before }, { ...after });
        const result = patch === undefined ? before : applyMergePatch(before, patch);
        expect(JSON.parse(JSON.stringify(result))).toEqual(JSON.parse(JSON.stringify(after)));
      }),
    );
  });

  it('name only what differs, null for what is gone, lists as a whole', () => {
    const before = { phase: 'Running', host: { name: 'a', epoch: 1 }, tags: ['x', 'y'] };
    const after = { host: { name: 'a', epoch: 2 }, tags: ['x'] };
    expect(mergePatchOf(before, after)).toEqual({ phase: null, host: { epoch: 2 }, tags: ['x'] });
  });

  it('do not exist when nothing differs, undefined and null being nothing', () => {
    expect(mergePatchOf({ a: 1 }, { a: 1, b: undefined, c: null })).toBeUndefined();
    expect(mergePatchOf({ a: [{ x: 1, y: 2 }] }, { a: [{ y: 2, x: 1 }] })).toBeUndefined();
  });

  it('follow the examples of RFC 7386', () => {
    expect(applyMergePatch({ a: 'b', c: { d: 'e', f: 'g' } }, { a: 'z', c: { f: null } })).toEqual({
      a: 'z',
      c: { d: 'e' },
    });
    expect(applyMergePatch(['a'], { b: { c: null } })).toEqual({ b: {} });
    expect(applyMergePatch({ a: 1 }, ['x'])).toEqual(['x']);
  });
});
