/** JSON values: telling their kinds apart, comparing and copying them. Whole numbers beyond 2^53 are BigInts (json.ts). */

export type JsonObject = { [name: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field `name` that the object itself has: a field named like something of Object.prototype is an ordinary field. */
export function ownField(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Sets a field; `__proto__`, which a plain assignment would take for the prototype, becomes an ordinary field. */
export function setField(object: JsonObject, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[name] = value;
  }
}

/** Deep equality of JSON values; the order of fields does not count. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  // A double may have the same value as a BigInt: it was written with a fraction or exponent.
  if (typeof a === 'bigint' || typeof b === 'bigint') return equalNumbers(a, b);
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equalJson(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equalJson(a[name], b[name]))
  );
}

function equalNumbers(a: unknown, b: unknown): boolean {
  // biome-ignore lint/suspicious/noDoubleEquals: only == compares a BigInt with a number, and exactly.
  return isNumber(a) && isNumber(b) && a == b;
}

/** True for a number of either kind. */
export function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** A deep copy, so that a default is never shared between objects. */
export function copyJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyJson);
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const [name, field] of Object.entries(value)) setField(copy, name, copyJson(field));
  return copy;
}

/** A text that is the same for equal values: what duplicates are found by. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'bigint') return String(value);
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const fields = Object.keys(value).sort();
  return `{${fields.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(',')}}`;
}

/** The OpenAPI name of a value's type, as go-openapi reports it. */
export function typeOf(value: unknown): string {
  if (typeof value === 'string') return 'string';
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  // A double beyond 2^53 is no integer to go-openapi: nobody can tell which one it was.
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number';
  if (typeof value === 'bigint') return 'integer';
  return typeof value;
}
