/**
 * Writes protobuf messages from plain JSON by tables: which field of the JSON is which number, written how. Zero values are left out, as
 * proto3 does. https://protobuf.dev/programming-guides/encoding/
 */

/** Writes one field of a message; nothing for a value that is absent or of another type. */
export type FieldWriter = (number: number, value: unknown, out: Uint8Array[]) => void;

/** The fields of a message by their names in JSON. */
export type MessageTable = { readonly [name: string]: readonly [number: number, write: FieldWriter] };

const varintWire = 0;
const doubleWire = 1;
const bytesWire = 2;

/** The bytes of one message. */
export function messageBytes(value: Record<string, unknown>, table: MessageTable, rest?: Rest): Buffer {
  const out: Uint8Array[] = [];
  for (const [name, field] of Object.entries(value)) {
    const known = Object.hasOwn(table, name) ? table[name] : undefined;
    if (known !== undefined) known[1](known[0], field, out);
    else if (rest?.takes(name)) rest.write(rest.number, [name, field], out);
  }
  return Buffer.concat(out);
}

/** Where fields go that the table does not name: a repeated field of names with values. */
export type Rest = { number: number; takes: (name: string) => boolean; write: FieldWriter };

export const text: FieldWriter = (number, value, out) => {
  if (typeof value === 'string' && value !== '') writeBytes(number, Buffer.from(value), out);
};

export const truth: FieldWriter = (number, value, out) => {
  if (value === true) out.push(varint(tag(number, varintWire)), varint(1n));
};

export const int64: FieldWriter = (number, value, out) => {
  const isWhole = typeof value === 'bigint' || Number.isInteger(value);
  if (!isWhole || Number(value) === 0) return;
  out.push(varint(tag(number, varintWire)), varint(BigInt.asUintN(64, BigInt(Number(value)))));
};

export const double: FieldWriter = (number, value, out) => {
  if ((typeof value !== 'number' && typeof value !== 'bigint') || Number(value) === 0) return;
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(Number(value));
  out.push(varint(tag(number, doubleWire)), bytes);
};

/** Each item of a list as a field of its own. */
export function repeated(write: FieldWriter): FieldWriter {
  return (number, value, out) => {
    for (const item of Array.isArray(value) ? value : []) write(number, item, out);
  };
}

/** An object as a message. */
export function message(table: MessageTable, rest?: Rest): FieldWriter {
  return (number, value, out) => {
    if (isObject(value)) writeBytes(number, messageBytes(value, table, rest), out);
  };
}

/** A value as the one field of a message around it. */
export function inside(inner: number, write: FieldWriter): FieldWriter {
  return (number, value, out) => {
    const parts: Uint8Array[] = [];
    write(inner, value, parts);
    writeBytes(number, Buffer.concat(parts), out);
  };
}

/** An entry `[name, value]` as a message of the two. */
export function named(write: FieldWriter): FieldWriter {
  return (number, entry, out) => {
    if (!Array.isArray(entry)) return;
    const parts: Uint8Array[] = [];
    text(1, entry[0], parts);
    write(2, entry[1], parts);
    writeBytes(number, Buffer.concat(parts), out);
  };
}

/** All entries of an object as messages of name and value. */
export function entries(write: FieldWriter): FieldWriter {
  const writeOne = named(write);
  return (number, value, out) => {
    for (const entry of isObject(value) ? Object.entries(value) : []) writeOne(number, entry, out);
  };
}

function writeBytes(number: number, bytes: Uint8Array, out: Uint8Array[]): void {
  out.push(varint(tag(number, bytesWire)), varint(BigInt(bytes.byteLength)), bytes);
}

function tag(number: number, wire: number): bigint {
  return BigInt(number * 8 + wire);
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.from([...bytes, Number(rest)]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
