/** The `fieldPath` of a rule: a JSONPath below the value, such as `.spec.disks` or `['x.y']`, as in apiextensions' validation. */
import type { JsonSchema } from '../contract.ts';
import { SchemaError } from '../node.ts';
import { childPath } from '../paths.ts';

/** True for the path of a field that the schema has. */
export function hasField(fieldPath: string, schema: JsonSchema): boolean {
  try {
    readFieldPath(fieldPath, schema, '');
    return true;
  } catch {
    return false;
  }
}

/** The path to append to the value's, with its leading dot or bracket; empty for none. Throws SchemaError for a path the schema has not. */
export function readFieldPath(fieldPath: string | undefined, schema: JsonSchema, rulePath: string): string {
  if (fieldPath === undefined || fieldPath === '') return '';
  const refuse = (detail: string) =>
    new SchemaError(childPath(rulePath, 'fieldPath'), `fieldPath must be a valid path: ${detail}`);
  let rest = fieldPath;
  let current: JsonSchema | undefined = schema;
  let path = '';
  while (rest !== '') {
    const match = /^(?:\.([A-Za-z_$][\w$-]*)|\['((?:[^'\\]|\\.)+)'\])/.exec(rest);
    if (!match) throw refuse(fieldPath);
    const name: string = match[1] ?? (match[2] ?? '').replace(/\\(.)/g, '$1');
    const additional: JsonSchema['additionalProperties'] = current?.additionalProperties;
    const property: JsonSchema | undefined = current?.properties?.[name];
    path += property ? `.${name}` : `[${name}]`;
    current = property ?? (typeof additional === 'object' ? additional : undefined);
    if (!current) throw refuse(`${fieldPath} does not refer to a field of the schema`);
    rest = rest.slice(match[0].length);
  }
  return path;
}
