/** The managers of one object's fields: metadata.managedFields decoded, and written back in kube-apiserver's order. */
import { type FieldsV1, isRecord, type ManagedFieldsEntry } from '../object.ts';
import { type FieldSet, isEmptySet, union } from './fieldset.ts';
import { decodeFields, encodeFields } from './fieldsv1.ts';

/** How a manager wrote: by server-side apply, or by any other request. */
export type Operation = 'Apply' | 'Update';

/** Who owns fields: the parts of an entry that tell one manager from another. */
export type OwnerName = { manager: string; operation: Operation; apiVersion: string; subresource?: string };

/** One manager with its fields. */
export type Owner = OwnerName & {
  fields: FieldSet;
  /** RFC 3339; absent where the entry has none. */
  time?: string;
  /** The entry this was decoded from, to be written back as it is while the fields are the same. */
  source?: { fields: FieldSet; encoded: FieldsV1 };
};

/** Managers by their key, see ownerKey. */
export type Owners = Map<string, Owner>;

/** More entries by Update than this are merged, oldest first, so that objects with many writers stay small. */
const maxUpdateOwners = 10;
const mergedManager = 'ancient-changes';

/** The identity of a manager. An applier keeps its identity when it moves to another API version. */
export function ownerKey(name: OwnerName): string {
  const version = name.operation === 'Apply' ? '' : name.apiVersion;
  return JSON.stringify([name.manager, name.operation, version, name.subresource ?? '']);
}

/** The managers of an object; undefined when an entry cannot be understood, as kube-apiserver treats the whole list then. */
export function decodeOwners(entries: readonly ManagedFieldsEntry[] | null | undefined): Owners | undefined {
  const owners: Owners = new Map();
  for (const entry of entries ?? []) {
    const owner = isRecord(entry) ? decodeOwner(entry) : undefined;
    if (owner === undefined) return undefined;
    owners.set(ownerKey(owner), owner);
  }
  return owners;
}

function decodeOwner(entry: ManagedFieldsEntry): Owner | undefined {
  const { manager, operation, apiVersion, subresource, time, fieldsType, fieldsV1 } = entry;
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  if (!apiVersion || fieldsType !== 'FieldsV1') return undefined;
  const fields = decodeFields(fieldsV1);
  if (fields === undefined) return undefined;
  return {
    manager: manager ?? '',
    operation,
    apiVersion,
    ...(subresource ? { subresource } : {}),
    ...(time ? { time } : {}),
    fields,
    ...(fieldsV1 ? { source: { fields, encoded: fieldsV1 } } : {}),
  };
}

/** The entries as they are stored: appliers first, then by time, then by name. */
export function encodeOwners(owners: Owners): ManagedFieldsEntry[] {
  return [...owners.values()].sort(compareOwners).map((owner) => ({
    manager: owner.manager,
    operation: owner.operation,
    apiVersion: owner.apiVersion,
    ...(owner.time === undefined ? {} : { time: owner.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: owner.source?.fields === owner.fields ? owner.source.encoded : encodeFields(owner.fields),
    ...(owner.subresource === undefined ? {} : { subresource: owner.subresource }),
  }));
}

/** Writes a manager's fields; a manager without any is forgotten. */
export function setFields(owners: Owners, owner: Owner, fields: FieldSet): void {
  const key = ownerKey(owner);
  if (isEmptySet(fields)) owners.delete(key);
  else owners.set(key, fields === owner.fields ? owner : { ...owner, fields });
}

/** Merges the oldest entries by Update into one per API version until at most ten are left. */
export function capUpdateOwners(owners: Owners): void {
  const updates = [...owners.values()].filter((owner) => owner.operation === 'Update').sort(compareOwners);
  const firstOf = new Map<string, Owner>();
  let count = updates.length;
  for (const owner of updates) {
    if (count <= maxUpdateOwners) return;
    const bucket = firstOf.get(owner.apiVersion);
    if (bucket === undefined) {
      firstOf.set(owner.apiVersion, owner);
      continue;
    }
    const merged: Owner = {
      manager: mergedManager,
      operation: 'Update',
      apiVersion: owner.apiVersion,
      fields: union(bucket.fields, owner.fields),
      // The newer of the two, since this is when the bucket last changed.
      ...(owner.time === undefined ? {} : { time: owner.time }),
    };
    owners.delete(ownerKey(bucket));
    owners.delete(ownerKey(owner));
    owners.set(ownerKey(merged), merged);
    firstOf.set(owner.apiVersion, merged);
    count--;
  }
}

function compareOwners(a: Owner, b: Owner): number {
  return (
    compareText(a.operation, b.operation) ||
    seconds(a.time) - seconds(b.time) ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource ?? '', b.subresource ?? '')
  );
}

function seconds(time: string | undefined): number {
  const parsed = time === undefined ? 0 : Math.floor(Date.parse(time) / 1000);
  return Number.isNaN(parsed) ? 0 : parsed;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
