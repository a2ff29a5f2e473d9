/** JSON Pointer (RFC 6901): finds places in plain JSON, and reads, fills and empties them. A place that is not there throws. */
import { isRecord, setOwn } from '../object.ts';

/** A field of an object or an index of a list; whether anything is there is asked for when it is used. */
export type Place = { holder: Record<string, unknown> | unknown[]; key: string };

/** The document in a field of its own, so that the empty pointer is a place like any other. */
export type Root = { document: unknown };

/** The place a pointer names below `root`; throws where something on the way is missing. */
export function locate(root: Root, pointer: string): Place {
  if (pointer !== '' && !pointer.startsWith('/')) throw new Error('the pointer does not begin with a slash');
  const keys = pointer.split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  keys[0] = 'document';
  const key = keys.pop() ?? '';
  let holder: unknown = root;
  for (const name of keys) holder = isHolder(holder) ? valueAt({ holder, key: name }) : undefined;
  if (!isHolder(holder)) throw missing();
  return { holder, key };
}

/** What is at the place; throws when nothing is. */
export function valueAt({ holder, key }: Place): unknown {
  if (Array.isArray(holder)) return holder[indexUpTo(holder.length - 1, key)];
  // Only own fields: what every object inherits is no part of the document.
  if (!Object.hasOwn(holder, key)) throw missing();
  return holder[key];
}

/** True when the place is empty: a field that may be added. */
export function isVacant({ holder, key }: Place): boolean {
  return !Array.isArray(holder) && !Object.hasOwn(holder, key);
}

/** Puts a value there; in a list, what was there and after it moves on, and `-` is its end. */
export function insertAt({ holder, key }: Place, value: unknown): void {
  if (!Array.isArray(holder)) setOwn(holder, key, value);
  else holder.splice(key === '-' ? holder.length : indexUpTo(holder.length, key), 0, value);
}

/** Puts a value in the place of what is there; a field that is absent is added, as the library of kube-apiserver does. */
export function replaceAt(place: Place, value: unknown): void {
  const { holder, key } = place;
  if (Array.isArray(holder)) valueAt(place);
  if (Array.isArray(holder)) holder[Number(key)] = value;
  else setOwn(holder, key, value);
}

/** Takes out what is there, and returns it. */
export function removeAt(place: Place): unknown {
  const value = valueAt(place);
  const { holder, key } = place;
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
  return value;
}

function isHolder(value: unknown): value is Place['holder'] {
  return Array.isArray(value) || isRecord(value);
}

function indexUpTo(last: number, key: string): number {
  if (/^(0|[1-9]\d{0,8})$/.test(key) && Number(key) <= last) return Number(key);
  throw missing();
}

function missing(): Error {
  return new Error('the path does not exist or does not fit');
}
