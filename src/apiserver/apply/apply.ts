/**
 * Server-side apply: merges what a manager declares into the live object, takes away what it no longer declares, and
 * refuses to overwrite what others own. Pure: object in, object out.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
import type { JsonSchema } from '../../schema/contract.ts';
import { cloneJson, equalJson, type KubeObject, type ManagedFieldsEntry } from '../object.ts';
import { PatchError } from '../patch/error.ts';
import { checkConfiguration } from './check.ts';
import { collectFields, withNamedParents } from './collect.ts';
import { compareValues } from './compare.ts';
import { type Conflict, conflictsWith } from './conflict.ts';
import { pathText } from './element.ts';
import { difference, emptySet, type FieldSet, intersection, isEmptySet, pathsOf, union } from './fieldset.ts';
import { fieldsOfLastApplied, lastAppliedManager, withLastApplied } from './lastapplied.ts';
import { emptyLike, reconcileOwners } from './managers.ts';
import { mergeValues } from './merge.ts';
import {
  decodeOwners,
  encodeOwners,
  type Owner,
  type OwnerName,
  type Owners,
  ownerKey,
  setFields,
} from './owners.ts';
import {
  type Endpoint,
  ownable,
  recordUpdate,
  releaseFields,
  touchedFields,
  unwritableFields,
  withoutTopLevel,
} from './ownership.ts';
import { removeFields } from './remove.ts';
import { type FieldType, rootType } from './typing.ts';
import { alike, inVersions, type Versions } from './versions.ts';

/** One apply request. */
export type ApplyInput = Endpoint & {
  schema: JsonSchema;
  /** The stored object; absent when the apply creates it. */
  live?: KubeObject;
  applied: KubeObject;
  /** The field manager of the request; must not be empty. */
  manager: string;
  force: boolean;
  /** RFC 3339, whole seconds. */
  time: string;
  /** Absent where the versions of the kind differ in name only. */
  versions?: Versions;
};

/** The object to store, deep-equal to the live one when nothing changed; or why others would have to give way. */
export type ApplyResult = { ok: true; object: KubeObject } | { ok: false; conflicts: Conflict[] };

/** The manager of what was there before the first apply, where nobody tracked it. */
const beforeFirstApply = 'before-first-apply';

/** Applies a configuration. Throws PatchError 400 for one that does not fit the schema or carries managedFields. */
export function serverSideApply(input: ApplyInput): ApplyResult {
  const type = rootType(input.schema);
  checkRequest(type, input);
  const live = input.live ?? emptyLike(input.applied);
  const outcome = merge(type, input, live, input.force);
  if (outcome.ok || input.manager !== lastAppliedManager) return finish(input, live, outcome);
  return finish(input, live, mergeOverLastApplied(type, input, live, outcome));
}

type Merged = { ok: true; object: KubeObject; owners: Owners } | Refused;
type Refused = { ok: false; conflicts: Conflict[]; fields: FieldSet };

function checkRequest(type: FieldType, { applied, live }: ApplyInput): void {
  if (applied.metadata?.managedFields !== undefined) {
    throw new PatchError(400, 'metadata.managedFields must be nil');
  }
  if (live !== undefined && live.apiVersion !== applied.apiVersion) {
    throw new PatchError(
      400,
      `Incorrect version specified in apply patch. Specified patch version: ${applied.apiVersion}, expected: ${live.apiVersion}`,
    );
  }
  const problems = checkConfiguration(type, applied);
  if (problems.length === 0) return;
  const { name, namespace } = applied.metadata;
  const text =
    problems.length === 1 ? problems[0] : `errors:\n${problems.map((line) => `  ${line}`).join('\n')}`;
  throw new PatchError(
    400,
    `failed to create typed patch object (${namespace ?? ''}/${name ?? ''}; ${applied.apiVersion}, Kind=${applied.kind}): ${text}`,
  );
}

function merge(type: FieldType, input: ApplyInput, live: KubeObject, force: boolean): Merged {
  const unwritable = unwritableFields(type, input.applied, input);
  const before = withoutTopLevel(live, []);
  const config = withoutTopLevel(input.applied, unwritable);
  const versions = input.versions ?? alike(type);
  const owners = startingOwners(type, versions, input, before);
  const name = { manager: input.manager, operation: 'Apply', apiVersion: input.applied.apiVersion } as const;
  const self: Owner = {
    ...name,
    ...(input.subresource ? { subresource: input.subresource } : {}),
    fields: collectFields(type, config),
  };
  const key = ownerKey(self);
  const last = owners.get(key);
  owners.set(key, self);
  const merged = mergeValues(type, before, config) as KubeObject;
  const object = prune(versions, merged, owners, last);

  const { apiVersion } = input.applied;
  const known = { apiVersion, comparison: compareValues(type, before, object) };
  const comparisonIn = inVersions(versions, known, (other, wanted) =>
    compareValues(other, versions.convert(before, wanted), versions.convert(object, wanted)),
  );
  const touched = touchedFields(owners, comparisonIn, key);
  if (touched.size > 0 && !force) return refuse(owners, touched);
  releaseFields(owners, comparisonIn, key);
  const changed = !equalJson(before, object);
  const time = changed ? input.time : last?.time;
  setFields(owners, { ...self, ...(time === undefined ? {} : { time }) }, ownable(self.fields));
  return { ok: true, object, owners };
}

/** The managers of the live object. What nobody tracked so far belongs to one stand-in, so that it is not lost. */
function startingOwners(type: FieldType, versions: Versions, input: ApplyInput, before: KubeObject): Owners {
  const owners = decodeOwners(input.live?.metadata.managedFields) ?? new Map<string, Owner>();
  reconcileOwners(versions, owners);
  if (owners.size === 0 && input.live !== undefined) {
    const { subresource, time } = input;
    const writer: OwnerName = {
      manager: beforeFirstApply,
      operation: 'Update',
      apiVersion: before.apiVersion,
      ...(subresource ? { subresource } : {}),
    };
    const after = withoutTopLevel(before, unwritableFields(type, before, input));
    const comparison = compareValues(type, emptyLike(before), after);
    recordUpdate(owners, { comparison, comparisonIn: () => comparison, writer, time });
  }
  return owners;
}

/**
 * Removes what this manager applied last time but no longer does, unless somebody owns it. Parents of such fields
 * go too when nothing of theirs is left to anybody. What was applied is looked up in the version it was applied in, and what
 * others own is put back version after version.
 */
function prune(versions: Versions, merged: KubeObject, owners: Owners, last: Owner | undefined): KubeObject {
  if (last === undefined || isEmptySet(last.fields)) return merged;
  const type = versions.typeOf(last.apiVersion);
  if (type === undefined) return merged;
  const whole = versions.convert(merged, last.apiVersion);
  const ofLast = withNamedParents(type, last.fields);
  let kept = removeFields(type, whole, ofLast, 'null') as KubeObject;
  for (const [apiVersion, owned] of ownedIn(versions, owners, last.apiVersion)) {
    kept = putBack(versions, { whole, kept }, apiVersion, owned);
  }
  const remaining = allFields(type, versions.convert(kept, last.apiVersion));
  // Only what this manager applied itself may go: fields that nobody owns stay.
  const gone = intersection(difference(allFields(type, whole), remaining), ofLast);
  return versions.convert(removeFields(type, whole, gone, 'empty') as KubeObject, merged.apiVersion);
}

/** What all managers own, for each form that objects have; that of `first` comes first. */
function ownedIn(versions: Versions, owners: Owners, first: string): [string, FieldSet][] {
  const result = new Map<string, [string, FieldSet]>([[versions.formOf(first), [first, emptySet]]]);
  for (const { apiVersion, fields } of owners.values()) {
    const form = versions.formOf(apiVersion);
    const [name, owned] = result.get(form) ?? [apiVersion, emptySet];
    result.set(form, [name, union(owned, fields)]);
  }
  return [...result.values()];
}

/** The object with those fields of the whole one that are owned in a version. */
function putBack(
  versions: Versions,
  { whole, kept }: { whole: KubeObject; kept: KubeObject },
  apiVersion: string,
  owned: FieldSet,
): KubeObject {
  const type = versions.typeOf(apiVersion);
  if (type === undefined) return kept;
  const all = versions.convert(whole, apiVersion);
  const left = union(allFields(type, versions.convert(kept, apiVersion)), withNamedParents(type, owned));
  return removeFields(type, all, difference(allFields(type, all), left), 'null') as KubeObject;
}

function allFields(type: FieldType, object: unknown): FieldSet {
  return withNamedParents(type, collectFields(type, object));
}

function refuse(owners: Owners, touched: Map<string, FieldSet>): Refused {
  const sorted = [...touched].sort(([a], [b]) => (a < b ? -1 : 1));
  const conflicts = sorted.flatMap(([key, fields]) => {
    const owner = owners.get(key);
    return owner === undefined ? [] : conflictsWith(owner, fields);
  });
  return { ok: false, conflicts, fields: [...touched.values()].reduce(union) };
}

/** kubectl may overwrite fields that still are what it applied itself from the client's side. */
function mergeOverLastApplied(
  type: FieldType,
  input: ApplyInput,
  live: KubeObject,
  refused: Refused,
): Merged {
  const allowed = fieldsOfLastApplied(type, live);
  if (isEmptySet(difference(refused.fields, allowed))) return merge(type, input, live, true);
  const allowedPaths = new Set(pathsOf(allowed).map(pathText));
  const left = refused.conflicts.filter(({ field }) => !allowedPaths.has(field));
  return { ...refused, conflicts: left };
}

function finish(input: ApplyInput, live: KubeObject, merged: Merged): ApplyResult {
  if (!merged.ok) return { ok: false, conflicts: merged.conflicts };
  const annotated =
    input.manager === lastAppliedManager ? withLastApplied(merged.object, input.applied) : merged.object;
  const object = withManagedFields(annotated, encodeOwners(merged.owners));
  return { ok: true, object: input.live !== undefined && equalJson(object, live) ? cloneJson(live) : object };
}

function withManagedFields(object: KubeObject, entries: ManagedFieldsEntry[]): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: entries.length === 0 ? metadata : { ...metadata, managedFields: entries } };
}
