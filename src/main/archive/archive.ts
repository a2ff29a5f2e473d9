/**
 * The file of a backup: gzipped lines of JSON, a head that says what follows, the key files, the entries, and an end with a checksum, so
 * that half a backup is never taken for a whole one. It holds the keys of the cluster: keep it as carefully as these.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { ReasonedError } from '../../base/outcome.ts';
import type { Entry } from '../../store/contract.ts';

/** A file of the data directory, by its name below `pki/`. */
export type KeyFile = { name: string; mode: number; bytes: Uint8Array };

/** What a backup holds. `takenAt` is RFC 3339. */
export type Archive = {
  takenAt: string;
  revision: number;
  keys: readonly KeyFile[];
  entries: readonly Entry[];
};

const format = 'vireo-apiserver-backup';
const formatVersion = 1;

/** Writes a backup beside `path` and puts it there once it is whole and on disk. Readable by its owner only. */
export async function writeArchive(path: string, archive: Archive): Promise<void> {
  const target = `${path}.new`;
  try {
    await rm(target, { force: true });
    const file = createWriteStream(target, { mode: 0o600, flags: 'wx' });
    await pipeline(Readable.from(linesOf(archive)), createGzip(), file);
    await sync(target);
    await rename(target, path);
    await sync(dirname(path));
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function* linesOf({ takenAt, revision, keys, entries }: Archive): Iterable<string> {
  const hash = createHash('sha256');
  const line = (value: unknown): string => {
    const text = `${JSON.stringify(value)}\n`;
    hash.update(text);
    return text;
  };
  yield line({ format, version: formatVersion, takenAt, revision });
  for (const { name, mode, bytes } of keys) yield line({ file: name, mode, ...packed(bytes) });
  for (const { key, value, createRevision, modRevision } of entries) {
    yield line({ key, createRevision, modRevision, ...packed(value) });
  }
  yield `${JSON.stringify({ end: keys.length + entries.length, sha256: hash.digest('hex') })}\n`;
}

/** Plain objects stay readable; what is sealed or binary is base64. */
function packed(bytes: Uint8Array): { text: string } | { base64: string } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  return Buffer.from(text).equals(buffer) ? { text } : { base64: buffer.toString('base64') };
}

/** Reads a backup; throws ReasonedError `BackupDamaged` for anything but a whole one, `BackupFormatUnknown` for a newer one. */
export async function readArchive(path: string): Promise<Archive> {
  const reader = createReader(path);
  const file = createReadStream(path);
  const plain = createGunzip();
  file.on('error', (error) => plain.destroy(error));
  try {
    for await (const line of createInterface({ input: file.pipe(plain), crlfDelay: Infinity }))
      reader.line(line);
    // readline ends without an error when its input breaks off.
    if (plain.errored !== null) throw plain.errored;
  } catch (error) {
    if (error instanceof ReasonedError || isSystemError(error, 'ENOENT')) throw error;
    throw damaged(path, error);
  }
  return reader.finish();
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function damaged(path: string, cause?: unknown): ReasonedError {
  return new ReasonedError(
    'BackupDamaged',
    `${path} is no whole backup of an API server: nothing was restored`,
    { stalled: true, cause },
  );
}

type Line = Record<string, unknown>;

function createReader(path: string) {
  const hash: Hash = createHash('sha256');
  const keys: KeyFile[] = [];
  const entries: Entry[] = [];
  let head: Line | undefined;
  let whole = false;

  function line(text: string): void {
    if (whole) throw damaged(path);
    const value = JSON.parse(text) as Line;
    if (head === undefined) head = checkHead(path, value);
    else if (value.sha256 !== undefined) {
      whole = value.sha256 === hash.digest('hex') && value.end === keys.length + entries.length;
      if (!whole) throw damaged(path);
      return;
    } else if (typeof value.file === 'string') {
      keys.push({ name: value.file, mode: Number(value.mode), bytes: unpacked(value) });
    } else {
      const { key, createRevision, modRevision } = value;
      entries.push({
        key: String(key),
        value: unpacked(value),
        createRevision: Number(createRevision),
        modRevision: Number(modRevision),
      });
    }
    hash.update(`${text}\n`);
  }

  return {
    line,
    finish: (): Archive => {
      if (!whole || head === undefined) throw damaged(path);
      return { takenAt: String(head.takenAt), revision: Number(head.revision), keys, entries };
    },
  };
}

function checkHead(path: string, head: Line): Line {
  if (head.format !== format) throw damaged(path);
  if (head.version === formatVersion) return head;
  throw new ReasonedError(
    'BackupFormatUnknown',
    `${path} was written by a newer version (format ${String(head.version)}): restore it with that version`,
    { stalled: true },
  );
}

function unpacked({ text, base64 }: Line): Uint8Array {
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : Buffer.from(String(text));
}
