/** Whether an applied configuration fits its schema closely enough to be merged; the full validation comes after the merge. */
import { printJson } from '../../schema/json.ts';
import { isNumber, typeOf } from '../../schema/values.ts';
import { isRecord } from '../object.ts';
import { pathText } from './element.ts';
import { entryType, type FieldType, isAtomic, itemElement, itemType, shapeOf } from './typing.ts';

/** Every reason why the configuration cannot be merged, each with its path: unknown fields, wrong types, doubled keys. */
export function checkConfiguration(type: FieldType, value: unknown, path: readonly string[] = []): string[] {
  if (value === null) return [];
  const mismatch = checkShape(type, value);
  if (mismatch !== undefined) return [`${pathText(path)}: ${mismatch}`];
  if (isRecord(value)) {
    return Object.keys(value).flatMap((name) => {
      const below = [...path, `f:${name}`];
      const declared = entryType(type, name);
      if (declared === undefined) return [`${pathText(below)}: field not declared in schema`];
      return checkConfiguration(declared, value[name], below);
    });
  }
  return Array.isArray(value) ? checkItems(type, value, path) : [];
}

function checkItems(type: FieldType, items: unknown[], path: readonly string[]): string[] {
  if (isAtomic(type, 'list')) {
    return items.flatMap((item, index) => checkConfiguration(itemType(type), item, [...path, `i:${index}`]));
  }
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const found = itemElement(type, item);
    if ('problem' in found) return [`${pathText(path)}: element ${index}: ${found.problem}`];
    if (seen.has(found.element)) {
      return [`${pathText(path)}: duplicate entries for key ${pathText([found.element])}`];
    }
    seen.add(found.element);
    return checkConfiguration(itemType(type), item, [...path, found.element]);
  });
}

function checkShape(type: FieldType, value: unknown): string | undefined {
  const declared = type.schema?.type;
  const shape = shapeOf(type, value);
  switch (declared) {
    case undefined:
      return undefined;
    case 'object':
      return shape === 'map' ? undefined : `expected map, got ${printJson(value)}`;
    case 'array':
      return shape === 'list' ? undefined : `expected list, got ${printJson(value)}`;
    case 'integer':
    case 'number':
      return isNumber(value) ? undefined : `expected numeric (int or float), got ${typeOf(value)}`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected boolean, got ${printJson(value)}`;
    default:
      return isRecord(value) ||
        Array.isArray(value) ||
        (typeof value !== 'string' && type.schema?.format === undefined)
        ? `expected string, got ${printJson(value)}`
        : undefined;
  }
}
