/** metadata.managedFields after every write that is no server-side apply: create, update, JSON, merge and strategic patch. */
import type { JsonSchema } from '../../schema/contract.ts';
import { equalJson, type KubeObject, type ManagedFieldsEntry } from '../object.ts';
import { reconcileWithSchema } from './collect.ts';
import { type Comparison, compareValues, isSame } from './compare.ts';
import {
  capUpdateOwners,
  decodeOwners,
  encodeOwners,
  type OwnerName,
  type Owners,
  setFields,
} from './owners.ts';
import { type Endpoint, recordUpdate, unwritableFields, withoutTopLevel } from './ownership.ts';
import { type FieldType, rootType } from './typing.ts';
import { alike, inVersions, type Versions } from './versions.ts';

/** One write. `after` is the object as it will be stored, with the managedFields the client sent, if any. */
export type UpdateInput = Endpoint & {
  schema: JsonSchema;
  /** The stored object; absent when the write creates it. */
  before?: KubeObject;
  after: KubeObject;
  /** The field manager of the request; `unknown` when empty. */
  manager: string;
  /** RFC 3339, whole seconds. */
  time: string;
  /** Absent where the versions of the kind differ in name only. */
  versions?: Versions;
};

/**
 * The new managedFields; empty when the object's fields are not tracked. A client that sends managedFields rewrites
 * them, and `[]` or `[{}]` ends the tracking until the next apply; entries that cannot be understood are ignored.
 */
export function updateManagedFields(input: UpdateInput): ManagedFieldsEntry[] {
  const { before, after, time } = input;
  const type = rootType(input.schema);
  const versions = input.versions ?? alike(type);
  const comparison = compareWritable(type, input);
  // The usual write of a controller that has nothing new to say: nothing is decoded for it.
  if (before !== undefined && isSame(comparison) && !rewrites(input))
    return before.metadata.managedFields ?? [];
  const owners = startingOwners(input);
  if (owners.size === 0 && before !== undefined) return [];
  reconcileOwners(versions, owners);
  const writer: OwnerName = {
    manager: input.manager === '' ? 'unknown' : input.manager,
    operation: 'Update',
    apiVersion: after.apiVersion,
    ...(input.subresource ? { subresource: input.subresource } : {}),
  };
  const { apiVersion } = after;
  const comparisonIn = inVersions(versions, { apiVersion, comparison }, (other, wanted) =>
    compareWritable(other, {
      ...input,
      ...(before === undefined ? {} : { before: versions.convert(withoutTopLevel(before, []), wanted) }),
      after: versions.convert(withoutTopLevel(after, []), wanted),
    }),
  );
  recordUpdate(owners, { comparison, comparisonIn, writer, time });
  capUpdateOwners(owners);
  return keepTimes(encodeOwners(owners), before, after);
}

function compareWritable(type: FieldType, input: UpdateInput): Comparison {
  const { before, after } = input;
  const unwritable = unwritableFields(type, { ...before, ...after }, input);
  return compareValues(
    type,
    withoutTopLevel(before ?? emptyLike(after), unwritable),
    withoutTopLevel(after, unwritable),
  );
}

/** True when the client sent managedFields that are not the stored ones. A subresource never rewrites them. */
function rewrites({ before, after, subresource }: UpdateInput): boolean {
  const sent = after.metadata.managedFields;
  if (subresource || sent === undefined || sent === null) return false;
  return !equalJson(sent, before?.metadata.managedFields);
}

/** An object of the same kind with nothing in it: what a creation is compared with. */
export function emptyLike(object: KubeObject): KubeObject {
  return { apiVersion: object.apiVersion, kind: object.kind, metadata: {} };
}

/** Brings all sets to the present schemas, see reconcileWithSchema. */
export function reconcileOwners(versions: Versions, owners: Owners): void {
  for (const owner of [...owners.values()]) {
    const type = versions.typeOf(owner.apiVersion);
    if (type !== undefined) setFields(owners, owner, reconcileWithSchema(type, owner.fields));
  }
}

/** The managers to start from: what the client sent where it may, else what is stored. */
function startingOwners(input: UpdateInput): Owners {
  const stored = () => decodeOwners(input.before?.metadata.managedFields) ?? new Map();
  if (!rewrites(input)) return stored();
  const sent = input.after.metadata.managedFields;
  if (isReset(sent)) return new Map();
  const owners = decodeOwners(sent);
  return owners === undefined || owners.size === 0 ? stored() : owners;
}

function isReset(entries: ManagedFieldsEntry[] | null | undefined): boolean {
  if (!Array.isArray(entries)) return false;
  return entries.length === 0 || (entries.length === 1 && equalJson(entries[0], {}));
}

/** A write that changes nothing but times of entries shall not become a write at all. */
function keepTimes(
  entries: ManagedFieldsEntry[],
  before: KubeObject | undefined,
  after: KubeObject,
): ManagedFieldsEntry[] {
  const old = before?.metadata.managedFields;
  if (before === undefined || old === undefined || !equalJson(entries.map(timeless), old.map(timeless)))
    return entries;
  return equalJson(withoutTopLevel(before, []), withoutTopLevel(after, [])) ? old : entries;
}

function timeless(entry: ManagedFieldsEntry): ManagedFieldsEntry {
  const { time: _, ...rest } = entry;
  return rest;
}
