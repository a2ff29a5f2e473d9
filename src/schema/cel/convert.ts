/**
 * Turns JSON values into what rules see: integers as BigInt, times and durations as such, field names escaped. A part that needs
 * none of it is passed on as it is, so that rules over texts cost no copy.
 */
import type { SchemaNode } from '../node.ts';
import { isObject, type JsonObject, setField } from '../values.ts';
import { celName } from './names.ts';
import { readDurationField, readInstant } from './times.ts';

export type Converter = (value: unknown) => unknown;

/** The conversion of values of `node`; undefined when they are passed on unchanged. */
export function compileConverter(node: SchemaNode): Converter | undefined {
  const { schema } = node;
  if (schema['x-kubernetes-int-or-string'] === true) return whenInteger;
  switch (schema.type) {
    case 'integer':
      return whenInteger;
    case 'number':
      return asDouble;
    case 'string':
      return compileText(schema.format);
    case 'array':
      return compileList(node);
    case 'object':
      return compileObject(node);
    case undefined:
    case '':
      return convertUnknown;
    default:
      return undefined;
  }
}

/** What is declared as number is a double whatever was written. */
function asDouble(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function whenInteger(value: unknown): unknown {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
}

function compileText(format: string | undefined): Converter | undefined {
  // What cannot be read stays text, and rules on it fail.
  const onText =
    (convert: (text: string) => unknown): Converter =>
    (value) => {
      try {
        return typeof value === 'string' ? convert(value) : value;
      } catch {
        return value;
      }
    };
  switch (format) {
    case 'date':
    case 'date-time':
      return onText(readInstant);
    case 'byte':
      return onText((text) => new Uint8Array(Buffer.from(text, 'base64')));
    case 'duration':
      return onText(readDurationField);
    default:
      return undefined;
  }
}

function compileList(node: SchemaNode): Converter | undefined {
  const item = node.items ? compileConverter(node.items) : convertUnknown;
  return item && ((value) => (Array.isArray(value) ? value.map(item) : value));
}

function compileObject(node: SchemaNode): Converter | undefined {
  const fields = new Map<string, Converter>();
  const hasNulls = [...node.properties.values()].some(({ schema }) => schema.nullable === true);
  const aliases = new Map<string, string>();
  for (const [name, child] of node.properties) {
    const convert = compileConverter(child);
    if (convert) fields.set(name, convert);
    const alias = celName(name);
    if (alias !== undefined && alias !== name) aliases.set(name, alias);
  }
  const additional = node.additional ? compileConverter(node.additional) : undefined;
  const others = node.keepsUnknown ? convertUnknown : additional;
  if (fields.size === 0 && aliases.size === 0 && !others && !hasNulls) return undefined;
  return (value) => {
    if (!isObject(value)) return value;
    const converted: JsonObject = {};
    for (const name of Object.keys(value)) {
      // To rules a named field that is null is absent; an entry of a map is there.
      if (value[name] === null && node.properties.size > 0) continue;
      const convert = fields.get(name) ?? (node.properties.has(name) ? undefined : others);
      const field = convert ? convert(value[name]) : value[name];
      setField(converted, name, field);
      const alias = aliases.get(name);
      if (alias !== undefined) setField(converted, alias, field);
    }
    return converted;
  };
}

/** Values of which the schema says nothing: whole numbers are integers, as kube-apiserver reads them. */
export function convertUnknown(value: unknown): unknown {
  if (typeof value === 'number') return whenInteger(value);
  if (Array.isArray(value)) return value.map(convertUnknown);
  if (!isObject(value)) return value;
  const converted: JsonObject = {};
  for (const [name, field] of Object.entries(value)) setField(converted, name, convertUnknown(field));
  return converted;
}
