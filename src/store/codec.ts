/** Bytes of what the file store writes: entries of the base and commits. Numbers are little-endian, strings UTF-8 with their length. */
import type { Entry } from './contract.ts';
import type { CommitRecord } from './journal.ts';

/** What one frame of the file says. */
export type Message =
  /** The first frame of a file. */
  | { type: 'header'; format: number; compactedRevision: number }
  /** Entries as they stood at the compacted revision; as many frames as it takes. */
  | { type: 'base'; entries: readonly Entry[] }
  /** The base is whole: commits follow. */
  | { type: 'baseEnd' }
  /** Commits that became durable together. */
  | { type: 'commits'; commits: readonly StoredCommit[] }
  /** History up to this revision may be forgotten. */
  | { type: 'compacted'; revision: number };

/** A commit without what a replay knows anyway: what stood there before. */
export type StoredCommit = {
  revision: number;
  changes: readonly ({ key: string; value: Uint8Array } | { key: string; deleted: true })[];
};

const tags = { header: 1, base: 2, baseEnd: 3, commits: 4, compacted: 5 } as const;
const putTag = 1;
const deleteTag = 2;

export function storedCommit({ revision, changes }: CommitRecord): StoredCommit {
  return {
    revision,
    changes: changes.map((change) =>
      change.type === 'put' ? { key: change.key, value: change.value } : { key: change.key, deleted: true },
    ),
  };
}

export function encodeMessage(message: Message): Uint8Array {
  const writer = createWriter();
  writer.byte(tags[message.type]);
  switch (message.type) {
    case 'header':
      writer.byte(message.format);
      writer.number(message.compactedRevision);
      break;
    case 'base':
      writer.list(message.entries, (entry) => {
        writer.text(entry.key);
        writer.number(entry.createRevision);
        writer.number(entry.modRevision);
        writer.bytes(entry.value);
      });
      break;
    case 'baseEnd':
      break;
    case 'commits':
      writer.list(message.commits, ({ revision, changes }) => {
        writer.number(revision);
        writer.list(changes, (change) => {
          writer.byte('deleted' in change ? deleteTag : putTag);
          writer.text(change.key);
          if ('value' in change) writer.bytes(change.value);
        });
      });
      break;
    case 'compacted':
      writer.number(message.revision);
      break;
    default:
      message satisfies never;
  }
  return writer.finish();
}

/** Throws a RangeError for bytes that are no message. Values are parts of `payload`, not copies. */
export function decodeMessage(payload: Uint8Array): Message {
  const reader = createReader(payload);
  const tag = reader.byte();
  switch (tag) {
    case tags.header:
      return { type: 'header', format: reader.byte(), compactedRevision: reader.number() };
    case tags.base:
      return { type: 'base', entries: reader.list(() => readEntry(reader)) };
    case tags.baseEnd:
      return { type: 'baseEnd' };
    case tags.commits:
      return {
        type: 'commits',
        commits: reader.list(() => ({
          revision: reader.number(),
          changes: reader.list(() => readChange(reader)),
        })),
      };
    case tags.compacted:
      return { type: 'compacted', revision: reader.number() };
    default:
      throw new RangeError(`unknown message ${tag}`);
  }
}

function readEntry(reader: Reader): Entry {
  const key = reader.text();
  const createRevision = reader.number();
  const modRevision = reader.number();
  return { key, createRevision, modRevision, value: reader.bytes() };
}

function readChange(reader: Reader): StoredCommit['changes'][number] {
  const tag = reader.byte();
  const key = reader.text();
  return tag === deleteTag ? { key, deleted: true } : { key, value: reader.bytes() };
}

function createWriter() {
  let buffer = Buffer.allocUnsafe(4096);
  let length = 0;
  const room = (size: number): number => {
    if (length + size > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + size));
      buffer.copy(larger, 0, 0, length);
      buffer = larger;
    }
    const at = length;
    length += size;
    return at;
  };
  const size = (value: number): void => {
    const at = room(4);
    buffer.writeUInt32LE(value, at);
  };
  const bytes = (value: Uint8Array): void => {
    size(value.length);
    const at = room(value.length);
    buffer.set(value, at);
  };
  return {
    byte: (value: number) => {
      const at = room(1);
      buffer.writeUInt8(value, at);
    },
    /** A double: revisions are exact up to 2^53. */
    number: (value: number) => {
      const at = room(8);
      buffer.writeDoubleLE(value, at);
    },
    bytes,
    text: (value: string) => bytes(Buffer.from(value, 'utf8')),
    list: <T>(items: readonly T[], write: (item: T) => void) => {
      size(items.length);
      for (const item of items) write(item);
    },
    finish: () => buffer.subarray(0, length),
  };
}

type Reader = ReturnType<typeof createReader>;

function createReader(payload: Uint8Array) {
  const buffer = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  let position = 0;
  const next = (size: number): number => {
    const at = position;
    position += size;
    return at;
  };
  /** Goes on past a part that carries its length; returns where that begins. */
  const part = (): number => {
    const length = buffer.readUInt32LE(next(4));
    const at = next(length);
    if (position > buffer.length) throw new RangeError('a message is cut short');
    return at;
  };
  return {
    byte: () => buffer.readUInt8(next(1)),
    number: () => buffer.readDoubleLE(next(8)),
    bytes: () => {
      const at = part();
      return new Uint8Array(buffer.buffer, buffer.byteOffset + at, position - at);
    },
    text: () => {
      const at = part();
      return buffer.toString('utf8', at, position);
    },
    list: <T>(read: () => T): T[] => {
      const count = buffer.readUInt32LE(next(4));
      if (count > buffer.length - position) throw new RangeError('a list is longer than its message');
      // In an array of that length: one that grows has room for seventeen at least, and most lists are of one.
      const items = new Array<T>(count);
      for (let index = 0; index < count; index += 1) items[index] = read();
      return items;
    },
  };
}
