/** Short ways to write schemas and to read errors in tests. */
import { compileSchema } from '../../../src/schema/compile.ts';
import type { FieldError, JsonSchema, ValidationRule } from '../../../src/schema/contract.ts';

export const text: JsonSchema = { type: 'string' };
export const integer: JsonSchema = { type: 'integer' };

export const object = (properties: Record<string, JsonSchema>, more: JsonSchema = {}): JsonSchema => ({
  type: 'object',
  properties,
  ...more,
});
export const list = (items: JsonSchema, more: JsonSchema = {}): JsonSchema => ({
  type: 'array',
  items,
  ...more,
});
export const named = (items: Record<string, JsonSchema>, more: JsonSchema = {}): JsonSchema =>
  list(object({ name: text, ...items }, { required: ['name'] }), {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    ...more,
  });
export const ruled = (schema: JsonSchema, ...rules: (string | ValidationRule)[]): JsonSchema => ({
  ...schema,
  'x-kubernetes-validations': rules.map((rule) => (typeof rule === 'string' ? { rule } : rule)),
});

/** `field: message`, as kubectl shows it. */
export const shown = (errors: readonly FieldError[]): string[] =>
  errors.map(({ field, message }) => `${field}: ${message}`);

/** The errors of a spec, with the stored spec when it is an update. */
export function check(spec: JsonSchema, value: unknown, old?: unknown): string[] {
  const compiled = compileSchema(object({ spec }));
  return shown(compiled.validate({ spec: value }, old === undefined ? {} : { old: { spec: old } }));
}
