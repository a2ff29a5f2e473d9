/**
 * Path elements in the encoding of FieldsV1, used as they are for keys of field sets: `f:name` a field, `k:{...}` a
 * list item by its keys, `v:...` an item of a set, `i:3` an index. One element has exactly one spelling here.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
import { parseWide, printJson } from '../../schema/json.ts';
import { isRecord } from '../object.ts';

const escapedByGo = /[<>&\u2028\u2029]/;

/** The element of a field or map entry. */
export function fieldElement(name: string): string {
  return `f:${name}`;
}

/** The element of an item of a set. */
export function valueElement(value: unknown): string {
  return `v:${encode(value)}`;
}

/** The element of an item of a list keyed by fields. */
export function keyElement(keys: readonly (readonly [string, unknown])[]): string {
  const sorted = [...keys].sort(([a], [b]) => (a < b ? -1 : 1));
  return `k:{${sorted.map(([name, value]) => `${encode(name)}:${encode(value)}`).join(',')}}`;
}

/** Elements that cannot be spelt in another way, which nearly all are; the others are parsed and written anew. */
const plainElement =
  /^(?:f:.*|v:(?:"[\w./-]*"|[1-9]\d{0,14})|k:\{"[\w.-]+":(?:"[\w./-]*"|[1-9]\d{0,14})\})$/s;

/** The one spelling of an element that came from outside; undefined when it is none. */
export function canonicalElement(element: string): string | undefined {
  if (plainElement.test(element)) return element;
  const rest = element.slice(2);
  switch (element.slice(0, 2)) {
    case 'f:':
      return element;
    case 'v:': {
      const value = decode(rest);
      return value === undefined ? undefined : valueElement(value);
    }
    case 'k:': {
      const keys = decode(rest);
      return isRecord(keys) ? keyElement(Object.entries(keys)) : undefined;
    }
    case 'i:':
      return /^-?\d+$/.test(rest) ? `i:${Number(rest)}` : undefined;
    default:
      return undefined;
  }
}

/** A path as error messages write it: `.spec.disks[name="root"].sizeGiB`. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('');
}

function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('i:')) return `[${rest}]`;
  const value = decode(rest);
  if (element.startsWith('v:')) return `[=${printJson(value)}]`;
  const keys = isRecord(value) ? Object.entries(value) : [];
  return `[${keys.map(([name, item]) => `${name}=${printJson(item)}`).join(',')}]`;
}

/** JSON with the characters escaped that Go's encoder escapes: other servers then read and write the same bytes. */
function encode(value: unknown): string {
  const text = printJson(value);
  if (!escapedByGo.test(text)) return text;
  return [...text]
    .map((character) => (escapedByGo.test(character) ? escaped(character) : character))
    .join('');
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function decode(text: string): unknown {
  try {
    return parseWide(text);
  } catch {
    return undefined;
  }
}
