/** The numbers a schema demands are doubles, as Go has minimum and maximum; only defaults, enums and examples keep 64 bits. */
import { isObject } from './values.ts';

const numeric = [
  ...['minimum', 'maximum', 'multipleOf', 'minLength', 'maxLength'],
  ...['minItems', 'maxItems', 'minProperties', 'maxProperties'],
];

/** Turns BigInts among the demands of a schema and all below it into doubles, in place. The schema may be of any shape yet. */
export function roundDemands(schema: unknown): void {
  if (!isObject(schema)) return;
  for (const name of numeric) {
    if (typeof schema[name] === 'bigint') schema[name] = Number(schema[name]);
  }
  const { properties, items, additionalProperties, not, allOf, anyOf, oneOf } = schema;
  const lists = [allOf, anyOf, oneOf].flatMap((list) => (Array.isArray(list) ? list : []));
  const named = isObject(properties) ? Object.values(properties) : [];
  for (const child of [...named, items, additionalProperties, not, ...lists]) roundDemands(child);
}
