/** The last steps of each write: who owns which field, is the object valid, and is there anything to write at all. */
import { timestamp } from '../../base/clock.ts';
import { updateManagedFields } from '../apply/managers.ts';
import type { Served } from '../catalog/served.ts';
import { validateMeta, validateMetaUpdate } from '../metadata/meta.ts';
import { equalJson, type KubeObject, type ManagedFieldsEntry } from '../object.ts';
import { PatchError } from '../patch/error.ts';
import type { StatusDoor } from '../resource.ts';
import { badRequest, conflict, failure, invalid } from '../status.ts';
import type { Context, WriteOptions } from './context.ts';
import { withForms } from './forms.ts';

/** Records the writer of changed fields in metadata.managedFields. */
export async function recordManager(
  context: Context,
  served: Served,
  change: { before?: KubeObject; after: KubeObject; subresource?: string },
  options: WriteOptions,
): Promise<void> {
  const input = {
    schema: served.resource.schema,
    ...change,
    manager: options.fieldManager,
    time: timestamp(context.clock),
  };
  const entries = await withForms(context, served, (versions) =>
    updateManagedFields({ ...input, ...(versions === undefined ? {} : { versions }) }),
  );
  setManagedFields(change.after, entries);
}

function setManagedFields(object: KubeObject, entries: ManagedFieldsEntry[]): void {
  if (entries.length === 0) delete object.metadata.managedFields;
  else object.metadata.managedFields = entries;
}

/** Throws 422 with every fault of the object. */
export async function checkValid(
  served: Served,
  object: KubeObject,
  old?: KubeObject,
  door?: StatusDoor,
): Promise<void> {
  const { resource, behaviour } = served;
  const metaFaults = [
    ...validateMeta(object.metadata, { namespaced: resource.namespaced, nameErrors: behaviour.nameErrors }),
    ...(old === undefined ? [] : validateMetaUpdate(object.metadata, old.metadata)),
  ];
  const blocked = metaFaults.some(({ type }) => type === 'FieldValueRequired');
  const schemaFaults = served.compiled().validate(object, { ...(old === undefined ? {} : { old }), blocked });
  const errors = [
    ...metaFaults,
    ...schemaFaults,
    // The kind's own checks rely on the shape that the schema promises.
    ...(schemaFaults.length > 0 ? [] : ((await behaviour.validate?.(object, old, door)) ?? [])),
  ];
  if (errors.length > 0) throw invalid(resource, object.metadata.name ?? '', errors);
}

/** True when nothing but the times of managedFields differs: such a write is skipped and the revision stays. */
export function isUnchanged(object: KubeObject, old: KubeObject): boolean {
  const { managedFields: newFields = [], ...metadata } = object.metadata;
  const { managedFields: oldFields = [], ...oldMetadata } = old.metadata;
  const timeless = (entries: readonly ManagedFieldsEntry[]) =>
    entries.map(({ time: _time, ...entry }) => entry);
  return (
    equalJson({ ...object, metadata }, { ...old, metadata: oldMetadata }) &&
    equalJson(timeless(newFields), timeless(oldFields))
  );
}

/** True when the desired state differs: all but metadata and, where it is a subresource, status. */
export function specChanged(served: Served, object: KubeObject, old: KubeObject): boolean {
  const desired = (value: KubeObject) => {
    const { metadata: _metadata, status, ...rest } = value;
    return served.resource.subresources.status === true || status === undefined ? rest : { ...rest, status };
  };
  return !equalJson(desired(object), desired(old));
}

/** What the patch room throws, as an answer. */
export function patchFailure(error: unknown, served: Served, name: string): unknown {
  if (!(error instanceof PatchError)) return error;
  if (error.code === 400) return badRequest(error.message);
  if (error.code === 409) return conflict(served.resource, name, error.message);
  return failure(422, 'Invalid', error.message, {});
}

/** 422 for an option that does not go with this sort of patch. */
export function invalidOption(
  field: string,
  type: 'FieldValueRequired' | 'FieldValueForbidden',
  message: string,
): Error {
  return invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [{ type, field, message }]);
}
