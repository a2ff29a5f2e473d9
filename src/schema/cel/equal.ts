/** Equality of CEL values as functions see them: numbers by value across their types, the rest deeply. */
import { isNumber, isObject } from '../values.ts';
import { Instant, Span } from './times.ts';

export function equalCel(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  // biome-ignore lint/suspicious/noDoubleEquals: only == compares a BigInt with a number, and exactly.
  if (isNumber(a) && isNumber(b)) return a == b;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equalCel(item, b[index]));
  }
  if (a instanceof Instant) return b instanceof Instant && a.nanos === b.nanos;
  if (a instanceof Span) return b instanceof Span && a.nanos === b.nanos;
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equalCel(a[name], b[name]))
  );
}
