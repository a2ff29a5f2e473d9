/** Defaults must be values that their own schema accepts, whole and without unknown fields. */
import type { FieldError, JsonSchema } from './contract.ts';
import { forbidden, invalid } from './errors.ts';
import { compileNode } from './node.ts';
import { childPath, keyPath, rootPath } from './paths.ts';
import { pruneField } from './prune.ts';
import { validateValue } from './validate.ts';
import { copyJson } from './values.ts';

/** Pushes the errors of all defaults at and below `schema`. The schema must be structural and its patterns valid. */
export function checkDefaults(schema: JsonSchema, errors: FieldError[]): void {
  if (schema.default !== undefined) errors.push(forbidden('default', 'must not be set at the root'));
  checkBelow(schema, '', errors);
}

function checkBelow(schema: JsonSchema, path: string, errors: FieldError[]): void {
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    checkDefault(child, keyPath(childPath(path, 'properties'), name), errors);
  }
  if (schema.items) checkDefault(schema.items, childPath(path, 'items'), errors);
  if (typeof schema.additionalProperties === 'object') {
    checkDefault(schema.additionalProperties, childPath(path, 'additionalProperties'), errors);
  }
}

function checkDefault(schema: JsonSchema, path: string, errors: FieldError[]): void {
  checkBelow(schema, path, errors);
  if (schema.default === undefined) return;
  const at = childPath(path, 'default');
  const node = compileNode(schema);
  const copy = copyJson(schema.default);
  if (pruneField(node, copy, at).length > 0) {
    errors.push(invalid(at, schema.default, 'must not have unknown fields'));
  }
  const found: FieldError[] = [];
  validateValue(node, schema.default, undefined, '', found);
  errors.push(
    ...found.map((error) => ({
      ...error,
      field: error.field === rootPath || error.field === '' ? at : childPath(at, error.field),
    })),
  );
}
