/** The functions behind the macros that `macros.ts` writes anew, and those of optionals that the library lacks. */
import { type Environment, Optional } from '@marcbachmann/cel-js';
import { isObject, type JsonObject, setField } from '../values.ts';
import { equalCel } from './equal.ts';

export function registerComprehensions(environment: Environment): void {
  environment
    .registerFunction('list<dyn>.entries(): list<dyn>', (list: unknown[]) =>
      list.map((item, index) => [BigInt(index), item]),
    )
    .registerFunction('map.entries(): list<dyn>', (map: object) => entriesOf(map))
    .registerFunction('list<dyn>.mapOfPairs(): map<dyn, dyn>', (pairs: [unknown, unknown][]) => mapOf(pairs))
    .registerFunction('list<dyn>.mapOfMaps(): map<dyn, dyn>', (maps: object[]) =>
      mapOf(maps.flatMap(entriesOf)),
    )
    .registerFunction('list<dyn>.mapOfOptionals(): map<dyn, dyn>', (pairs: [unknown, Optional][]) =>
      mapOf(pairs.flatMap(([key, held]) => (held.hasValue() ? [[key, held.value()]] : []))),
    )
    .registerFunction('optional<dyn>.held(): list<dyn>', (optional: Optional) =>
      optional.hasValue() ? [optional.value()] : [],
    )
    .registerFunction(
      'list<dyn>.firstHeld(): optional<dyn>',
      ([first]: Optional[]) => first ?? Optional.none(),
    )
    .registerFunction('list<dyn>.first(): optional<dyn>', ([first]: unknown[]) => Optional.of(first))
    .registerFunction('list<dyn>.last(): optional<dyn>', (list: unknown[]) => Optional.of(list.at(-1)))
    .registerFunction('list<dyn>.unwrapOpt(): list<dyn>', unwrapped)
    .registerFunction('OptionalNamespace.unwrap(list<dyn>): list<dyn>', (_: unknown, list: Optional[]) =>
      unwrapped(list),
    )
    .registerFunction('OptionalNamespace.ofNonZeroValue(dyn): optional<dyn>', (_: unknown, value: unknown) =>
      isZero(value) ? Optional.none() : Optional.of(value),
    )
    .registerOperator('optional<dyn> == optional<dyn>', equalOptionals);
}

function entriesOf(map: object): [unknown, unknown][] {
  return map instanceof Map ? [...map.entries()] : Object.entries(map);
}

/** The library's own literals have keys of text only; those of a map made here keep their type. */
function mapOf(pairs: readonly [unknown, unknown][]): unknown {
  const keys = new Map<unknown, unknown>();
  for (const [key, value] of pairs) {
    if (keys.has(key)) throw new Error(`insert failed: key ${String(key)} already exists`);
    keys.set(key, value);
  }
  if (![...keys.keys()].every((key) => typeof key === 'string')) return keys;
  const made: JsonObject = {};
  for (const [key, value] of keys) setField(made, String(key), value);
  return made;
}

function unwrapped(list: readonly Optional[]): unknown[] {
  return list.flatMap((optional) => (optional.hasValue() ? [optional.value()] : []));
}

function equalOptionals(a: Optional, b: Optional): boolean {
  if (!a.hasValue() || !b.hasValue()) return a.hasValue() === b.hasValue();
  return equalCel(a.value(), b.value());
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  return value === null || value === '' || value === false || value === 0n || value === 0;
}
