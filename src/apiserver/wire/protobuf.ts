/**
 * Reads `application/vnd.kubernetes.protobuf` bodies of built-in kinds into plain JSON: typed Go clients send them (kubectl
 * create, controller-runtime). Answers are JSON, which those clients accept as well.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
import { fromInt64, parseWide } from '../../schema/json.ts';
import { setOwn } from '../object.ts';
import { badRequest, unsupportedMediaType } from '../status.ts';
import { type Field, messageOf, messages } from './messages.ts';

const magic = Buffer.from('k8s\0');
const depthLimit = 32;

/** Decodes a body; throws 400 for broken bytes and 415 for a kind that is only taken as JSON. */
export function decodeProtobuf(bytes: Buffer): unknown {
  if (!bytes.subarray(0, magic.length).equals(magic))
    throw badRequest('the body does not begin as protobuf of Kubernetes does');
  try {
    const unknown = readMessage(bytes.subarray(magic.length), messages.Unknown ?? {}, 0);
    const { apiVersion, kind } = (unknown.typeMeta ?? {}) as { apiVersion?: string; kind?: string };
    const fields = messageOf(apiVersion ?? '', kind ?? '');
    if (fields === undefined) throw unsupportedMediaType(['application/json', 'application/yaml']);
    const raw = unknown.raw instanceof Uint8Array ? unknown.raw : new Uint8Array();
    return { apiVersion, kind, ...readMessage(Buffer.from(raw), fields, 0) };
  } catch (error) {
    if (error instanceof RangeError) throw badRequest('the body is no whole protobuf message');
    throw error;
  }
}

/** A place in the bytes. Reading beyond the end throws RangeError. */
type Cursor = { bytes: Buffer; at: number };

function readMessage(
  bytes: Buffer,
  fields: { readonly [number: number]: Field },
  depth: number,
): Record<string, unknown> {
  if (depth > depthLimit) throw new RangeError('nested too deeply');
  const cursor: Cursor = { bytes, at: 0 };
  const result: Record<string, unknown> = {};
  while (cursor.at < bytes.length) {
    const tag = readLength(cursor);
    const field = fields[Math.floor(tag / 8)];
    const value = readWire(cursor, tag % 8);
    if (field !== undefined) addField(result, field, value, depth);
  }
  return result;
}

/** The value as it is on the wire: a number or a piece of bytes. */
type WireValue = number | bigint | Buffer;

function readWire(cursor: Cursor, wireType: number): WireValue {
  switch (wireType) {
    case 0:
      return readVarint(cursor);
    case 1:
      return take(cursor, 8);
    case 2:
      return take(cursor, readLength(cursor));
    case 5:
      return take(cursor, 4);
    default:
      throw new RangeError(`wire type ${wireType}`);
  }
}

function take(cursor: Cursor, length: number): Buffer {
  const end = cursor.at + length;
  if (end > cursor.bytes.length) throw new RangeError('cut off');
  const part = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return part;
}

/** Base 128, least significant first; negative numbers come as ten bytes in two's complement. */
function readVarint(cursor: Cursor): number | bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const [byte = 0] = take(cursor, 1);
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return fromInt64(BigInt.asIntN(64, value));
  }
  throw new RangeError('varint too long');
}

/** A varint that counts bytes or names a field. */
function readLength(cursor: Cursor): number {
  const value = readVarint(cursor);
  if (typeof value === 'bigint' || value < 0) throw new RangeError('a length out of range');
  return value;
}

function addField(target: Record<string, unknown>, field: Field, value: WireValue, depth: number): void {
  const { name, type, repeated, optional } = field;
  if (type === 'map:string' || type === 'map:bytes') {
    const entry = readMessage(asBytes(value), type === 'map:string' ? stringEntry : bytesEntry, depth + 1);
    const map = (target[name] ?? {}) as Record<string, unknown>;
    setOwn(map, String(entry.key ?? ''), entry.value ?? '');
    target[name] = map;
    return;
  }
  const decoded = readValue(type, value, depth);
  if (repeated) target[name] = [...((target[name] ?? []) as unknown[]), decoded];
  // Go writes the zero value of every field that is no pointer; in JSON those are absent.
  else if (optional || !isZero(decoded)) target[name] = decoded;
}

const stringEntry: { [number: number]: Field } = {
  1: { name: 'key', type: 'string', repeated: false, optional: true },
  2: { name: 'value', type: 'string', repeated: false, optional: true },
};
const bytesEntry: { [number: number]: Field } = {
  1: { name: 'key', type: 'string', repeated: false, optional: true },
  2: { name: 'value', type: 'base64', repeated: false, optional: true },
};

function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false || value === undefined;
}

function readValue(type: string, value: WireValue, depth: number): unknown {
  switch (type) {
    case 'string':
      return asBytes(value).toString('utf8');
    case 'base64':
      return asBytes(value).toString('base64');
    case 'bytes':
      return asBytes(value);
    case 'int':
      return asNumber(value);
    case 'bool':
      return asNumber(value) !== 0;
    case 'time':
      return readTime(asBytes(value), depth, 0);
    case 'microtime':
      return readTime(asBytes(value), depth, 6);
    case 'json': {
      const { raw } = readMessage(asBytes(value), messages.RawExtension ?? {}, depth + 1);
      return raw instanceof Uint8Array ? parseJson(raw) : undefined;
    }
    default: {
      const fields = messages[type];
      if (fields === undefined) throw new Error(`no message ${type}`);
      return readMessage(asBytes(value), fields, depth + 1);
    }
  }
}

function parseJson(raw: Uint8Array): unknown {
  try {
    return parseWide(Buffer.from(raw).toString('utf8'));
  } catch {
    throw new RangeError('no JSON inside');
  }
}

/** metav1.Time and MicroTime: seconds and nanoseconds; an empty message is no time at all. */
function readTime(bytes: Buffer, depth: number, digits: 0 | 6): string | undefined {
  if (bytes.length === 0) return undefined;
  const { seconds = 0, nanos = 0 } = readMessage(bytes, messages.Timestamp ?? {}, depth + 1) as {
    seconds?: number | bigint;
    nanos?: number;
  };
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return digits === 0 ? `${text}Z` : `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

function asBytes(value: WireValue): Buffer {
  if (!Buffer.isBuffer(value)) throw new RangeError('a number where bytes belong');
  return value;
}

function asNumber(value: WireValue): number | bigint {
  if (Buffer.isBuffer(value)) throw new RangeError('bytes where a number belongs');
  return value;
}
