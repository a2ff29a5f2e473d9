/**
 * Structural validation: types, bounds, required fields, list types and value combinations. An error in a part that did not
 * change since it was stored is dropped ("ratcheting"), so that a schema may become stricter under living objects.
 */
import type { FieldError } from './contract.ts';
import { oldField, oldItems } from './correlate.ts';
import { invalid, outOfBounds, required, tooMany } from './errors.ts';
import { checkListType } from './lists.ts';
import type { SchemaNode } from './node.ts';
import { childPath, itemPath, rootPath } from './paths.ts';
import { checkEnum, checkNumber, checkString, checkType } from './scalars.ts';
import { equalJson, isNumber, isObject, type JsonObject } from './values.ts';

/** Pushes the errors of `value`, whose stored counterpart is `old` (undefined: none). */
export function validateValue(
  node: SchemaNode,
  value: unknown,
  old: unknown,
  path: string,
  errors: FieldError[],
): void {
  const before = errors.length;
  if (checkType(node.schema, value, path, errors)) {
    checkEnum(node, value, path, errors);
    if (typeof value === 'string') checkString(node, value, path, errors);
    else if (isNumber(value)) checkNumber(node, value, path, errors);
    else if (Array.isArray(value)) validateList(node, value, old, path, errors);
    else if (isObject(value)) validateObject(node, value, old, path, errors);
    if (node.hasCombinations) validateCombinations(node, value, old, path, errors);
  }
  if (errors.length > before && old !== undefined && equalJson(value, old)) errors.length = before;
}

function validateList(
  node: SchemaNode,
  list: readonly unknown[],
  old: unknown,
  path: string,
  errors: FieldError[],
): void {
  const { minItems, maxItems } = node.schema;
  if (node.items) {
    const counterpart = oldItems(node, old);
    for (const [index, item] of list.entries()) {
      validateValue(node.items, item, counterpart(item), itemPath(path, index), errors);
    }
  }
  if (maxItems !== undefined && list.length > maxItems) errors.push(tooMany(path, list.length, maxItems));
  if (minItems !== undefined && list.length < minItems) {
    errors.push(outOfBounds(path, list.length, `should have at least ${minItems} items`));
  }
  checkListType(node, list, path, errors);
}

function validateObject(
  node: SchemaNode,
  object: JsonObject,
  old: unknown,
  path: string,
  errors: FieldError[],
): void {
  checkFieldCount(node, object, path, errors);
  for (const name of node.required) {
    if (!Object.hasOwn(object, name)) errors.push(required(childPath(path, name)));
  }
  if (node.embedded) checkEmbedded(object, path, errors);
  if (node.properties.size === 0 && !node.additional) return;
  for (const name of Object.keys(object)) {
    const child = node.properties.get(name) ?? node.additional;
    if (child) validateValue(child, object[name], oldField(old, name), childPath(path, name), errors);
  }
}

function checkFieldCount(node: SchemaNode, object: JsonObject, path: string, errors: FieldError[]): void {
  const { minProperties, maxProperties } = node.schema;
  if (minProperties === undefined && maxProperties === undefined) return;
  const count = Object.keys(object).length;
  if (maxProperties !== undefined && count > maxProperties) errors.push(tooMany(path, count, maxProperties));
  if (minProperties !== undefined && count < minProperties) {
    errors.push(outOfBounds(path, minProperties, `should have at least ${minProperties} properties`));
  }
}

/** A resource inside a resource must say what it is (apiextensions' objectmeta.Validate). */
function checkEmbedded(object: JsonObject, path: string, errors: FieldError[]): void {
  for (const name of ['apiVersion', 'kind']) {
    const value = object[name];
    if (value === undefined || value === '')
      errors.push(required(childPath(path, name), 'must not be empty'));
  }
}

/** allOf, anyOf, oneOf and not. kube-apiserver reports the failed combination at the root and the best try's own errors. */
function validateCombinations(
  node: SchemaNode,
  value: unknown,
  old: unknown,
  path: string,
  errors: FieldError[],
): void {
  if (node.allOf.length > 0) {
    for (const child of node.allOf) validateValue(child, value, old, path, errors);
  }
  if (node.anyOf.length > 0) {
    const tries = node.anyOf.map((child) => errorsOf(child, value, path));
    if (tries.every((found) => found.length > 0)) {
      errors.push(combinationError(path, 'must validate at least one schema (anyOf)'), ...fewest(tries));
    }
  }
  if (node.oneOf.length > 0) {
    const tries = node.oneOf.map((child) => errorsOf(child, value, path));
    const valid = tries.filter((found) => found.length === 0).length;
    const claim = 'must validate one and only one schema (oneOf).';
    if (valid === 0) errors.push(combinationError(path, `${claim} Found none valid`), ...fewest(tries));
    if (valid > 1) errors.push(combinationError(path, `${claim} Found ${valid} valid alternatives`));
  }
  if (node.not && errorsOf(node.not, value, path).length === 0) {
    errors.push(combinationError(path, 'must not validate the schema (not)'));
  }
}

function errorsOf(node: SchemaNode, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  validateValue(node, value, undefined, path, errors);
  return errors;
}

function combinationError(path: string, claim: string): FieldError {
  return invalid(rootPath, '', `"${path}" ${claim}`);
}

function fewest(tries: readonly FieldError[][]): FieldError[] {
  return tries.reduce((best, next) => (next.length < best.length ? next : best));
}
