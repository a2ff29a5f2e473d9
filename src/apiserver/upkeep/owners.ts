/** Who is owned by whom, by uid: kept from the changes of the store, so that an owner's end finds its dependents at once. */

import type { OwnerReference } from '../object.ts';
import { bufferOf } from '../registry/codec.ts';

/** The index of dependents. */
export type OwnerIndex = {
  /** Reads the owners of a stored value; returns them. */
  put(key: string, value: Uint8Array): readonly OwnerReference[];
  delete(key: string): void;
  /** The keys of objects that name this uid as an owner. */
  dependentsOf(uid: string): readonly string[];
};

const marker = Buffer.from('"ownerReferences":[');

/** Makes an empty index. Only values that mention owners are parsed. */
export function createOwnerIndex(): OwnerIndex {
  const dependents = new Map<string, Set<string>>();
  const owners = new Map<string, readonly string[]>();

  function forget(key: string): void {
    for (const uid of owners.get(key) ?? []) {
      const keys = dependents.get(uid);
      keys?.delete(key);
      if (keys?.size === 0) dependents.delete(uid);
    }
    owners.delete(key);
  }

  function put(key: string, value: Uint8Array): readonly OwnerReference[] {
    forget(key);
    const references = ownersIn(value);
    if (references.length === 0) return references;
    const uids = references.map(({ uid }) => uid);
    owners.set(key, uids);
    for (const uid of uids) dependents.set(uid, (dependents.get(uid) ?? new Set()).add(key));
    return references;
  }

  return { put, delete: forget, dependentsOf: (uid) => [...(dependents.get(uid) ?? [])] };
}

/** The owner references in stored bytes. */
export function ownersIn(value: Uint8Array): readonly OwnerReference[] {
  const bytes = bufferOf(value);
  if (!bytes.includes(marker)) return [];
  const object = JSON.parse(bytes.toString('utf8')) as { metadata?: { ownerReferences?: OwnerReference[] } };
  return object.metadata?.ownerReferences ?? [];
}
