/** From the bytes of a body to plain JSON values, and which media types a request takes. */
import { parseWide } from '../../schema/json.ts';
import { isRecord, setOwn } from '../object.ts';
import { badRequest, tooManyValues, unsupportedMediaType } from '../status.ts';
import { scanJson } from './duplicates.ts';
import { decodeProtobuf } from './protobuf.ts';

/** A decoded body. `duplicates` are the paths of keys written twice. */
export type Decoded = { value: unknown; duplicates: string[] };

/** Deeper nesting than any real object has is refused before it can exhaust the stack. */
const depthLimit = 500;
/** Values in one body, YAML's aliases counted each time: a parsed value takes up to a hundred times the bytes of its text. */
const valueLimit = 100_000;

const protobufType = 'application/vnd.kubernetes.protobuf';

/** Media types of whole objects. */
export const objectTypes = ['application/json', 'application/yaml', protobufType] as const;

/** The media type of a Content-Type header, lower case, without parameters; `fallback` when there is none. */
export function mediaType(header: string | undefined, fallback: string): string {
  return header === undefined ? fallback : (header.split(';')[0] ?? '').trim().toLowerCase();
}

/** Decodes a body that is a whole object; throws 415 for other types and 400 for broken text, worded by `describe`. */
export async function decodeBody(
  bytes: Buffer,
  contentType: string | undefined,
  describe = noJson,
): Promise<Decoded> {
  const type = mediaType(contentType, 'application/json');
  if (type === 'application/json') return decodeJson(bytes, describe);
  if (type === 'application/yaml') return decodeYaml(bytes);
  if (type === protobufType) return { value: decodeProtobuf(bytes), duplicates: [] };
  throw unsupportedMediaType(objectTypes);
}

const noJson = (why: string) => `the body of the request is no JSON: ${why}`;

/** Decodes JSON, seeing repeated keys. `describe` makes the message of a 400 from what is wrong with the text. */
export function decodeJson(bytes: Buffer, describe = noJson): Decoded {
  const text = bytes.toString('utf8');
  const { depth, duplicates, values, wide } = scanJson(text, valueLimit);
  if (depth > depthLimit) throw badRequest(`the body is nested deeper than ${depthLimit} levels`);
  if (values > valueLimit) throw tooManyValues(valueLimit);
  let value: unknown;
  try {
    value = wide ? parseWide(text) : JSON.parse(text);
  } catch (error) {
    throw badRequest(describe(messageOf(error)));
  }
  return { value, duplicates };
}

const noYaml = (why: string) => `error converting YAML to JSON: ${why}`;

/** Decodes one YAML document (which JSON is too); the parser is loaded only when a client really sends YAML. */
export async function decodeYaml(bytes: Buffer, describe = noYaml): Promise<Decoded> {
  const first = bytes.find((byte) => byte > 0x20);
  if (first === 0x7b) return decodeJson(bytes, describe);
  const { parseYaml } = await import('./yaml.ts');
  try {
    const { value, duplicates } = parseYaml(bytes.toString('utf8'));
    return { value: plain(value, { values: valueLimit }, 0), duplicates };
  } catch (error) {
    throw badRequest(describe(messageOf(error)));
  }
}

/** The value as an object of the API: apiVersion and kind are strings or absent. */
export function asObject(value: unknown): Record<string, unknown> {
  if (!isRecord(value))
    throw badRequest("couldn't get version/kind; json parse error: the body is no object");
  for (const field of ['apiVersion', 'kind']) {
    // Null is absence there, as to Go.
    if (value[field] === null) delete value[field];
    if (value[field] !== undefined && typeof value[field] !== 'string') {
      throw badRequest(`couldn't get version/kind; json parse error: ${field} is no string`);
    }
  }
  return value;
}

/**
 * Turns what YAML has beyond JSON (NaN, shared nodes) into plain values. A few aliases of aliases can stand for
 * billions of nodes, so their number is bounded before they are copied.
 */
function plain(value: unknown, budget: { values: number }, depth: number): unknown {
  if (--budget.values < 0 || depth > depthLimit) throw new Error('too many or too deeply nested values');
  if (Array.isArray(value)) return value.map((item) => plain(item, budget, depth + 1));
  if (isRecord(value)) {
    const result: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(value)) setOwn(result, key, plain(member, budget, depth + 1));
    return result;
  }
  return typeof value === 'number' && !Number.isFinite(value) ? null : (value ?? null);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
