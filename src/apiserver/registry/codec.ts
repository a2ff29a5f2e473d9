/**
 * Between objects and the bytes in the store. Stored bytes begin with apiVersion, kind and metadata and hold no
 * resourceVersion: it is the revision of the write, put in when they are read. So an answer is two pieces of bytes
 * joined, without parsing or serialising anything, wherever the stored form is the served one.
 */
import { parseMarked, printJson, printMarked } from '../../schema/json.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';

const openingBrace = 0x7b;

/** A stored value with the revision of its last write. */
export type Stored = { value: Uint8Array; modRevision: number };

/** The bytes of an object for the store. */
export function encode(served: Served, object: KubeObject): Buffer {
  const { apiVersion: _version, kind: _kind, metadata, ...rest } = toStorage(served, object);
  const { resourceVersion: _revision, ...meta } = metadata;
  return Buffer.from(printMarked({ ...served.stored, metadata: meta, ...rest }));
}

function toStorage(served: Served, object: KubeObject): KubeObject {
  return served.behaviour.view === undefined ? object : served.behaviour.view.toStorage(object);
}

/** The object as the served version has it; pruned and defaulted where it is older than the schema. */
export function decode(served: Served, stored: Stored): KubeObject {
  const object = parse(stored);
  if (stored.modRevision > served.staleUpTo) return renamed(served, object);
  const { view } = served.behaviour;
  const converted = renamed(served, view === undefined ? object : view.fromStorage(object));
  const compiled = served.compiled();
  compiled.prune(converted);
  compiled.applyDefaults(converted);
  return converted;
}

function parse({ value, modRevision }: Stored): KubeObject {
  const object = parseMarked(bufferOf(value).toString('utf8')) as KubeObject;
  object.metadata.resourceVersion = String(modRevision);
  return object;
}

function renamed(served: Served, object: KubeObject): KubeObject {
  object.apiVersion = served.apiVersion;
  object.kind = served.resource.kind;
  return object;
}

/** JSON in two parts: a beginning of ASCII characters and the rest. */
export type Wire = { head: string; body: Uint8Array };

/** The JSON of the object as clients get it. */
export function wireForm(served: Served, stored: Stored): Buffer {
  const { head, body } = wireParts(served, stored);
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

/** The same in parts, of which the body is the store's own memory: nothing may change it. */
export function wireParts(served: Served, stored: Stored): Wire {
  const { value, modRevision } = stored;
  if (modRevision <= served.staleUpTo)
    return { head: '', body: Buffer.from(printJson(decode(served, stored))) };
  const bytes = bufferOf(value);
  const { apiVersion, resource } = served;
  const head = `{"apiVersion":"${apiVersion}","kind":"${resource.kind}","metadata":{"resourceVersion":"${modRevision}",`;
  return { head, body: bytes.subarray(metadataStart(bytes)) };
}

/** Where the fields of the metadata begin: behind the second brace, since neither apiVersion nor kind has one. */
function metadataStart(bytes: Buffer): number {
  return bytes.indexOf(openingBrace, 2) + 1;
}

/** A view of the same memory with Buffer's methods. */
export function bufferOf(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
