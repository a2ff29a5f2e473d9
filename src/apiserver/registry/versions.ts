/**
 * Stored values in the version a request wants. Without a conversion webhook the versions of a resource differ in name only, which
 * the codec sees to; with one, values of another version are converted before anything looks into them.
 */
import { parseMarked, printJson, printMarked } from '../../schema/json.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import { bufferOf, encode, type Stored, wireForm } from './codec.ts';
import type { Context } from './context.ts';

/** encode writes the version first. */
const versionAtStart = /^ ?\{"apiVersion":"([^"]+)"/;
const longestStart = 400;

/** The version a value lies in. */
export function versionOf({ value }: Stored): string {
  const start = bufferOf(value).toString('latin1', 0, longestStart);
  return versionAtStart.exec(start)?.[1] ?? '';
}

/** The same values in the served version; those that are in it already stay what they are. Throws 500. */
export async function inServedVersion<T extends Stored>(
  context: Context,
  served: Served,
  entries: readonly T[],
): Promise<readonly T[]> {
  const { conversion, apiVersion } = served;
  if (conversion === undefined) return entries;
  const result = [...entries];
  const others = new Map<string, number[]>();
  for (const [index, entry] of entries.entries()) {
    const version = versionOf(entry);
    if (version !== apiVersion) others.set(version, [...(others.get(version) ?? []), index]);
  }
  for (const indices of others.values()) {
    const chosen = indices.flatMap((index) => entries[index] ?? []);
    const objects = chosen.map(({ value }) => parseMarked(bufferOf(value).toString('utf8')) as KubeObject);
    const converted = await context.convert(conversion, objects, apiVersion);
    for (const [at, index] of indices.entries()) {
      const entry = entries[index];
      const object = converted[at];
      if (entry !== undefined && object !== undefined) result[index] = { ...entry, value: bytesOf(object) };
    }
  }
  return result;
}

/** One value in the served version. */
export async function oneInServedVersion<T extends Stored>(
  context: Context,
  served: Served,
  entry: T,
): Promise<T> {
  if (served.conversion === undefined) return entry;
  const [converted = entry] = await inServedVersion(context, served, [entry]);
  return converted;
}

/** The bytes of an object for the store, in the version things are stored in. Throws 500. */
export async function toStored(context: Context, served: Served, object: KubeObject): Promise<Buffer> {
  const { conversion, apiVersion, stored } = served;
  if (conversion === undefined || apiVersion === stored.apiVersion) return encode(served, object);
  const [converted = object] = await context.convert(conversion, [object], stored.apiVersion);
  return encode(served, converted);
}

/** The JSON of an object just written, as clients get it: what was stored, or itself where that is another version. */
export function wireOf(served: Served, object: KubeObject, stored: Stored): Buffer {
  const isSame = served.conversion === undefined || versionOf(stored) === served.apiVersion;
  return isSame ? wireForm(served, stored) : Buffer.from(printJson(object));
}

/** True when a value need not be written anew to lie in the version things are stored in now. */
export function isInStorageVersion(served: Served, entry: Stored): boolean {
  return served.conversion === undefined || versionOf(entry) === served.stored.apiVersion;
}

function bytesOf({ apiVersion, kind, metadata, ...rest }: KubeObject): Buffer {
  return Buffer.from(printMarked({ apiVersion, kind, metadata, ...rest }));
}
