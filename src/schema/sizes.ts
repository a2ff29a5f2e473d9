/** How large a value of a schema can be, from its bounds and from what fits into one request. */
import type { JsonSchema } from './contract.ts';

/** The largest request kube-apiserver takes, in bytes. */
export const maxRequestBytes = 3 * 1024 * 1024;

/** The most items of a list, entries of a map, or characters of a string. */
export function maxSize(schema: JsonSchema | undefined): number {
  if (schema === undefined) return maxRequestBytes;
  if (schema['x-kubernetes-int-or-string']) return schema.maxLength ?? maxRequestBytes;
  switch (schema.type) {
    case 'array':
      return schema.maxItems ?? Math.floor(maxRequestBytes / (minBytes(schema.items) + 1));
    case 'object':
      return schema.maxProperties ?? maxEntries(schema);
    case 'string':
      return maxLength(schema);
    case 'integer':
    case 'number':
    case 'boolean':
      return 1;
    default:
      return maxRequestBytes;
  }
}

function maxEntries(schema: JsonSchema): number {
  if (typeof schema.additionalProperties !== 'object') return Object.keys(schema.properties ?? {}).length;
  // A key takes at least its quotes and colon.
  return Math.floor(maxRequestBytes / (minBytes(schema.additionalProperties) + 4));
}

function maxLength(schema: JsonSchema): number {
  if (schema.maxLength !== undefined) return schema.maxLength;
  if (schema.enum) return Math.max(0, ...schema.enum.map((item) => String(item).length));
  if (schema.format === 'duration' || schema.format === 'date-time' || schema.format === 'date') return 32;
  return maxRequestBytes;
}

/** The fewest bytes a value takes as JSON. */
function minBytes(schema: JsonSchema | undefined): number {
  if (schema === undefined) return 1;
  switch (schema.type) {
    case 'string':
      return 2 + (schema.minLength ?? 0);
    case 'array':
      return 2 + (schema.minItems ?? 0) * (minBytes(schema.items) + 1);
    case 'object':
      return (schema.required ?? []).reduce(
        (sum, name) => sum + name.length + 4 + minBytes(schema.properties?.[name]),
        2,
      );
    case 'boolean':
      return 4;
    default:
      return 1;
  }
}
