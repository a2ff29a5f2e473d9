/** Null where a schema has no room for it counts as absent, as apiextensions prunes it before it defaults and validates. */
import { expect, test } from 'vitest';
import { compileSchema } from '../../../src/schema/compile.ts';

const schema = compileSchema({
  type: 'object',
  properties: {
    host: { type: 'string' },
    color: { type: 'string', default: 'red' },
    note: { type: 'string', nullable: true },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    parts: {
      type: 'array',
      items: { type: 'object', properties: { name: { type: 'string' } } },
    },
  },
});

test('a null that may not be goes, or is defaulted; one that may be stays, and so does the place of an item', () => {
  const object = {
    host: null,
    color: null,
    note: null,
    labels: { a: null, b: 'x' },
    parts: [{ name: null }, null],
  };
  schema.applyDefaults(object);
  expect(object).toEqual({ color: 'red', note: null, labels: { b: 'x' }, parts: [{}, null] });
});
