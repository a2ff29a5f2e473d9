/**
 * Field errors in the exact words of kube-apiserver, so that people and programs find what they know.
 * Source: k8s.io/apimachinery/pkg/util/validation/field/errors.go and k8s.io/kube-openapi/pkg/validation/errors.
 */
import type { FieldError } from './contract.ts';
import { printJson } from './json.ts';
import { rootPath } from './paths.ts';

/** A value as field.Error prints it: strings quoted, the rest as JSON; null is the text "null". */
export function quoted(value: unknown): string {
  return value === null ? '"null"' : printJson(value);
}

export function required(field: string, detail = ''): FieldError {
  return { type: 'FieldValueRequired', field, message: `Required value${detail && `: ${detail}`}` };
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: `Invalid value: ${quoted(value)}: ${detail}` };
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'FieldValueForbidden', field, message: `Forbidden: ${detail}` };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, message: `Duplicate value: ${quoted(value)}` };
}

export function unsupported(field: string, value: unknown, allowed: readonly unknown[]): FieldError {
  const names = allowed.map((item) => quoted(typeof item === 'string' ? item : quoted(item)));
  return {
    type: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${quoted(value)}: supported values: ${names.join(', ')}`,
  };
}

export function tooLong(field: string, maximum: number): FieldError {
  return {
    type: 'FieldValueTooLong',
    field,
    message: `Too long: may not be more than ${maximum} bytes`,
  };
}

export function tooMany(field: string, actual: number, maximum: number): FieldError {
  const noun = maximum === 1 ? 'item' : 'items';
  return {
    type: 'FieldValueTooMany',
    field,
    message: `Too many: ${actual}: must have at most ${maximum} ${noun}`,
  };
}

/** A value of another type or format than `wanted`; `found` is the type's name, or for formats the value. */
export function wrongType(field: string, wanted: string, found: unknown): FieldError {
  return {
    type: 'FieldValueTypeInvalid',
    field: field || rootPath,
    message: `Invalid value: ${quoted(found)}: ${inBody(field, `must be of type ${wanted}: ${quoted(found)}`)}`,
  };
}

/** A broken bound, worded by go-openapi: `spec.cpus in body should be greater than or equal to 1`. */
export function outOfBounds(field: string, value: unknown, claim: string): FieldError {
  return invalid(field || rootPath, value, inBody(field, claim));
}

function inBody(field: string, claim: string): string {
  return `${field} in body ${claim}`;
}
