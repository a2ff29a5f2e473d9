import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundDemands } from '../../../src/schema/demands.ts';
import { shapeFault } from '../../../src/schema/shape.ts';
import { checkStructural } from '../../../src/schema/structural.ts';

describe('the shape of a schema', () => {
  it.each<[string, unknown, string | undefined]>([
    ['a schema', { type: 'object', properties: { a: { type: 'string', enum: [null, 1] } } }, undefined],
    ['unknown fields', { type: 'object', foo: [1] }, undefined],
    ['no object', 'x', 's'],
    ['a type that is no text', { type: 5 }, 's.type'],
    ['a list of properties', { properties: [null] }, 's.properties'],
    ['properties that are no schema', { properties: { a: 'string' } }, 's.properties[a]'],
    ['a list of items', { items: [{ type: 'string' }] }, 's.items'],
    ['additionalProperties in words', { additionalProperties: 'yes' }, 's.additionalProperties'],
    ['half a length', { maxLength: 1.5 }, 's.maxLength'],
    ['a rule without an object', { 'x-kubernetes-validations': ['true'] }, 's.x-kubernetes-validations[0]'],
    ['nothing in a list of schemas', { allOf: [{}, null] }, 's.allOf[1]'],
  ])('of %s', (_, schema, path) => {
    expect(shapeFault(schema, 's')?.path).toBe(path);
  });

  it('is all that the structural check relies on', () => {
    const names = [
      'type',
      'properties',
      'items',
      'additionalProperties',
      'required',
      'allOf',
      'pattern',
      'a',
    ];
    const value = fc.letrec<{ any: unknown }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom('object', 'array', 'string', '(', true, 1, null),
        fc.dictionary(fc.constantFrom(...names), tie('any'), { maxKeys: 4 }),
        fc.array(tie('any'), { maxLength: 2 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (schema) => {
        roundDemands(schema);
        if (shapeFault(schema, 's') === undefined) checkStructural(schema as object);
      }),
      { numRuns: 500 },
    );
  });
});
