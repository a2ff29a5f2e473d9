/** Validation of single values: type, enum, bounds, length, pattern, format. */
import type { FieldError, JsonSchema } from './contract.ts';
import { outOfBounds, tooLong, unsupported, wrongType } from './errors.ts';
import type { SchemaNode } from './node.ts';
import { canonicalJson, typeOf } from './values.ts';

/** True when the value has the schema's type; otherwise the error is pushed and nothing below is worth checking. */
export function checkType(schema: JsonSchema, value: unknown, path: string, errors: FieldError[]): boolean {
  const found = typeOf(value);
  if (found === 'null') {
    // Value validations inside allOf, anyOf, oneOf and not have no type; there null is judged by the schema around them.
    if (schema.nullable === true || (schema.type === undefined && !schema['x-kubernetes-int-or-string'])) {
      return false;
    }
    errors.push(wrongType(path, wantedType(schema), found));
    return false;
  }
  if (hasType(schema, found)) return true;
  errors.push(wrongType(path, wantedType(schema), found));
  return false;
}

function hasType(schema: JsonSchema, found: string): boolean {
  if (schema['x-kubernetes-int-or-string'] === true) return found === 'integer' || found === 'string';
  if (schema.type === undefined || schema.type === '') return true;
  return schema.type === found || (schema.type === 'number' && found === 'integer');
}

function wantedType(schema: JsonSchema): string {
  return schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : (schema.type ?? 'object');
}

/** Checks the value against the enum, of any type. */
export function checkEnum(node: SchemaNode, value: unknown, path: string, errors: FieldError[]): void {
  if (node.allowed && !node.allowed.has(canonicalJson(value))) {
    errors.push(unsupported(path, value, node.schema.enum ?? []));
  }
}

/** Lengths count characters, not bytes, though the message of kube-apiserver says bytes. */
export function checkString(node: SchemaNode, value: string, path: string, errors: FieldError[]): void {
  const { schema } = node;
  if (
    schema.maxLength !== undefined &&
    value.length > schema.maxLength &&
    characters(value) > schema.maxLength
  ) {
    errors.push(tooLong(path, schema.maxLength));
  }
  if (schema.minLength !== undefined && characters(value) < schema.minLength) {
    errors.push(outOfBounds(path, value, `should be at least ${schema.minLength} chars long`));
  }
  if (node.pattern && !node.pattern(value)) {
    errors.push(outOfBounds(path, value, `should match '${schema.pattern}'`));
  }
  if (node.format && !node.format(value)) errors.push(wrongType(path, schema.format ?? '', value));
}

function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

export function checkNumber(
  node: SchemaNode,
  value: number | bigint,
  path: string,
  errors: FieldError[],
): void {
  const { schema, bounds } = node;
  const { minimum, maximum, multipleOf } = schema;
  if (bounds && (value < bounds.minimum || value > bounds.maximum)) {
    errors.push(wrongType(path, schema.format ?? '', typeOf(value)));
  }
  if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum)) {
    const claim = schema.exclusiveMaximum ? 'less than' : 'less than or equal to';
    errors.push(outOfBounds(path, value, `should be ${claim} ${maximum}`));
  }
  if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum)) {
    const claim = schema.exclusiveMinimum ? 'greater than' : 'greater than or equal to';
    errors.push(outOfBounds(path, value, `should be ${claim} ${minimum}`));
  }
  if (multipleOf !== undefined && !isMultiple(value, multipleOf)) {
    errors.push(outOfBounds(path, value, `should be a multiple of ${multipleOf}`));
  }
}

function isMultiple(value: number | bigint, factor: number): boolean {
  if (typeof value === 'bigint' && Number.isSafeInteger(factor)) return value % BigInt(factor) === 0n;
  const quotient = Number(value) / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient));
}
