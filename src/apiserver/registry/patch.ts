/** Patches: JSON patch, merge patch and strategic merge over the stored object, and server-side apply. */
import { timestamp } from '../../base/clock.ts';
import { serverSideApply } from '../apply/apply.ts';
import { conflictMessage } from '../apply/conflict.ts';
import { keyOf } from '../catalog/keys.ts';
import { decodeMeta } from '../metadata/meta.ts';
import type { KubeObject } from '../object.ts';
import { applyJsonPatch } from '../patch/json.ts';
import { applyMergePatch } from '../patch/merge.ts';
import { applyStrategicMergePatch } from '../patch/strategic.ts';
import { badRequest, failure, invalid, unsupportedMediaType } from '../status.ts';
import { asObject, type Decoded, decodeJson, decodeYaml } from '../wire/decode.ts';
import type { Context, Place, WriteOptions } from './context.ts';
import { create } from './create.ts';
import { readObject, reportFaults } from './incoming.ts';
import { patchFailure } from './settle.ts';
import { update } from './update.ts';
import type { Written } from './written.ts';

const applyTypes = ['application/apply-patch+yaml', 'application/apply-patch+json'];

/** The media types of patches a resource takes. */
export function patchTypes(builtin: boolean): string[] {
  return [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(builtin ? ['application/strategic-merge-patch+json'] : []),
    ...applyTypes,
  ];
}

/** What a patch request says beside its body. */
export type PatchRequest = {
  type: string;
  body: Buffer;
  subresource?: 'status';
  force: boolean;
  /** As in the query; apply does not take the user agent for it. */
  explicitManager: string | undefined;
};

/** Patches the object at `place`; only apply creates what is missing. */
export async function patch(
  context: Context,
  place: Place,
  request: PatchRequest,
  options: WriteOptions,
): Promise<Written> {
  if (!patchTypes(place.served.resource.builtin).includes(request.type)) {
    throw unsupportedMediaType(patchTypes(place.served.resource.builtin));
  }
  if (applyTypes.includes(request.type)) return apply(context, place, request, options);
  if (request.force)
    throw invalidOption(
      'force',
      'FieldValueForbidden',
      'Forbidden: may not be specified for non-apply patch',
    );
  const decoded = decodeJson(request.body);
  const change = changeOf(place, request.type, decoded.value);
  return update(
    context,
    place,
    {
      next: (old) => revise(place, change, old, decoded, options),
      ...(request.subresource === undefined ? {} : { subresource: request.subresource }),
    },
    options,
  );
}

type ChangeObject = (object: KubeObject) => unknown;

function changeOf({ served }: Place, type: string, value: unknown): ChangeObject {
  switch (type) {
    case 'application/json-patch+json':
      return (object) => applyJsonPatch(object, value);
    case 'application/merge-patch+json':
      return (object) => applyMergePatch(object, value);
    default:
      return (object) => applyStrategicMergePatch(served.resource.schema, object, value);
  }
}

function revise(
  { served, name }: Place,
  change: ChangeObject,
  old: KubeObject,
  decoded: Decoded,
  options: WriteOptions,
): KubeObject {
  let value: unknown;
  try {
    value = change(old);
  } catch (error) {
    throw patchFailure(error, served, name);
  }
  const { object, faults } = readObject(served, { value, duplicates: decoded.duplicates });
  if (options.fieldValidation === 'Strict' && faults.length > 0) {
    const text = `Invalid value: ${JSON.stringify(JSON.stringify(decoded.value))}: strict decoding error: ${faults.join(', ')}`;
    throw invalid({ group: '', kind: '' }, '', [
      { type: 'FieldValueInvalid', field: 'patch', message: text },
    ]);
  }
  reportFaults(faults, served, options);
  return object;
}

async function apply(
  context: Context,
  place: Place,
  request: PatchRequest,
  options: WriteOptions,
): Promise<Written> {
  const manager = request.explicitManager;
  if (!manager)
    throw invalidOption('fieldManager', 'FieldValueRequired', 'Required value: is required for apply patch');
  const applied = await readApplied(place, request.body, options);
  const merge = (live: KubeObject | undefined): KubeObject => {
    const result = tryApply(context, place, request, { applied, live, manager });
    if (result.ok) return readObject(place.served, { value: result.object, duplicates: [] }).object;
    const causes = result.conflicts.map(({ field, message }) => ({
      reason: 'FieldManagerConflict',
      message,
      field,
    }));
    throw failure(409, 'Conflict', conflictMessage(result.conflicts), { causes });
  };
  const subresource = request.subresource === undefined ? {} : { subresource: request.subresource };
  const exists = () => context.store.get(placeKey(place)) !== undefined || request.subresource !== undefined;
  while (!exists()) {
    try {
      return await create(context, place.served, place.namespace, merge(undefined), {
        ...options,
        managed: true,
      });
    } catch (error) {
      // Somebody else created it in between: then it is applied to theirs.
      if (!exists()) throw error;
    }
  }
  return update(context, place, { next: merge, managed: true, ...subresource }, options);
}

function placeKey({ served, namespace, name }: Place): string {
  return keyOf(served.prefix, namespace, name);
}

function tryApply(
  context: Context,
  { served, name }: Place,
  { force, subresource }: PatchRequest,
  input: { applied: KubeObject; live: KubeObject | undefined; manager: string },
) {
  try {
    return serverSideApply({
      schema: served.resource.schema,
      applied: input.applied,
      ...(input.live === undefined ? {} : { live: input.live }),
      manager: input.manager,
      force,
      ...(subresource === undefined ? {} : { subresource }),
      time: timestamp(context.clock),
    });
  } catch (error) {
    throw patchFailure(error, served, name);
  }
}

/** The configuration as sent: nothing is defaulted or pruned in it, since it says which fields the manager wants. */
async function readApplied(place: Place, bytes: Buffer, options: WriteOptions): Promise<KubeObject> {
  const { value, duplicates } = await decodeYaml(bytes);
  const body = asObject(value);
  const { served, namespace, name } = place;
  for (const [field, wanted] of [
    ['apiVersion', served.apiVersion],
    ['kind', served.resource.kind],
  ] as const) {
    if (body[field] !== wanted)
      throw badRequest(`${field} in the data (${body[field]}) does not match the expected ${wanted}`);
  }
  reportFaults(
    duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    served,
    options,
  );
  const { metadata } = decodeMeta(body.metadata);
  if (metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const identity = namespace === undefined ? { name } : { name, namespace };
  return {
    ...body,
    apiVersion: served.apiVersion,
    kind: served.resource.kind,
    metadata: { ...metadata, ...identity },
  };
}

function invalidOption(
  field: string,
  type: 'FieldValueRequired' | 'FieldValueForbidden',
  message: string,
): Error {
  return invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [{ type, field, message }]);
}
