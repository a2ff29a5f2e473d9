/** How ownership follows a change of an object: whoever changes a value takes the field from the others. */
import type { KubeObject } from '../object.ts';
import type { Comparison } from './compare.ts';
import {
  difference,
  equalSets,
  type FieldSet,
  intersection,
  isEmptySet,
  pathSet,
  union,
} from './fieldset.ts';
import { type OwnerName, type Owners, ownerKey, setFields } from './owners.ts';
import { type FieldType, isNamedField } from './typing.ts';
import type { ComparisonIn } from './versions.ts';

/** Fields by which the server identifies an object or counts its changes: no manager ever owns them. */
export const systemFields: FieldSet = [
  ['f:apiVersion'],
  ['f:kind'],
  ['f:metadata'],
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => ['f:metadata', `f:${name}`]),
]
  .map(pathSet)
  .reduce(union);

/** Through which door a write came. */
export type Endpoint = {
  subresource?: string;
  /** Whether the kind serves `status` on its own; without a word, whether its schema names status. */
  servesStatus?: boolean;
};

/**
 * The top-level fields that a request to this endpoint cannot write: status through the main resource where it is a
 * subresource, all but status through `status` or `approval`. Objects are compared and applied without them, as the server keeps
 * the stored ones.
 */
export function unwritableFields(type: FieldType, object: KubeObject, endpoint: Endpoint): string[] {
  const { subresource = '', servesStatus = isNamedField(type, 'status') } = endpoint;
  if (subresource === '') return servesStatus ? ['status'] : [];
  if (subresource !== 'status' && subresource !== 'approval') return [];
  return Object.keys(object).filter((name) => !['apiVersion', 'kind', 'metadata', 'status'].includes(name));
}

/** An object without the given top-level fields and without managedFields, which nobody manages. */
export function withoutTopLevel(object: KubeObject, names: readonly string[]): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  const kept = Object.entries(object).filter(([name]) => !names.includes(name));
  const result: Record<string, unknown> = Object.fromEntries(kept);
  return { ...result, apiVersion: object.apiVersion, kind: object.kind, metadata };
}

/** Fields of other managers that the change touches, per manager: what server-side apply calls conflicts. */
export function touchedFields(
  owners: Owners,
  comparisonIn: ComparisonIn,
  except?: string,
): Map<string, FieldSet> {
  const result = new Map<string, FieldSet>();
  for (const [key, owner] of owners) {
    if (key === except) continue;
    const comparison = comparisonIn(owner.apiVersion);
    if (comparison === undefined) continue;
    const touched = intersection(owner.fields, union(comparison.modified, comparison.added));
    if (!isEmptySet(touched)) result.set(key, touched);
  }
  return result;
}

/** Takes changed and removed fields from all managers but one. What is owned in a version that has gone is owned no longer. */
export function releaseFields(owners: Owners, comparisonIn: ComparisonIn, except?: string): void {
  const touched = touchedFields(owners, comparisonIn, except);
  for (const [key, owner] of [...owners]) {
    if (key === except) continue;
    const comparison = comparisonIn(owner.apiVersion);
    if (comparison === undefined) {
      owners.delete(key);
      continue;
    }
    const taken = touched.get(key);
    const kept = taken === undefined ? owner.fields : difference(owner.fields, taken);
    setFields(owners, owner, difference(kept, comparison.removed));
  }
}

/**
 * Records a change made by anything but server-side apply: the writer now owns what it changed or added. Its entry
 * keeps its time when it changed nothing.
 */
export function recordUpdate(
  owners: Owners,
  change: { comparison: Comparison; comparisonIn: ComparisonIn; writer: OwnerName; time: string },
): void {
  const { comparison, comparisonIn, writer, time } = change;
  const key = ownerKey(writer);
  const stored = owners.get(key);
  releaseFields(owners, comparisonIn);
  const written = difference(union(comparison.modified, comparison.added), systemFields);
  if (isEmptySet(written)) return;
  const previous = owners.get(key);
  const fields = previous === undefined ? written : union(previous.fields, written);
  // Most writes change values only; then the stored encoding still holds.
  const same = stored !== undefined && equalSets(stored.fields, fields);
  owners.set(key, same ? { ...stored, time } : { ...writer, fields, time });
}

/** The set of paths of one manager without those nobody owns. */
export function ownable(fields: FieldSet): FieldSet {
  return difference(fields, systemFields);
}
