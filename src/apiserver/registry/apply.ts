/** Server-side apply over the store: creates what is missing, merges into what is there, conflicts by name. */
import { timestamp } from '../../base/clock.ts';
import { type ApplyResult, serverSideApply } from '../apply/apply.ts';
import { conflictMessage } from '../apply/conflict.ts';
import { keyOf } from '../catalog/keys.ts';
import { decodeMeta } from '../metadata/meta.ts';
import type { KubeObject } from '../object.ts';
import type { StatusDoor } from '../resource.ts';
import { badRequest, failure } from '../status.ts';
import { asObject, decodeYaml } from '../wire/decode.ts';
import type { Context, Place, WriteOptions } from './context.ts';
import { create } from './create.ts';
import { withForms } from './forms.ts';
import { checkUrl, readObject, reportFaults } from './incoming.ts';
import { invalidOption, patchFailure } from './settle.ts';
import { update } from './update.ts';
import type { Written } from './written.ts';

/** The media types of applied configurations. */
export const applyTypes: readonly string[] = ['application/apply-patch+yaml', 'application/apply-patch+json'];

/** What an apply request says beside its place. */
export type ApplyRequest = {
  body: Buffer;
  subresource?: StatusDoor;
  force: boolean;
  /** As in the query; apply does not take the user agent for it. */
  explicitManager: string | undefined;
};

/** Applies a configuration to the object at `place`. */
export async function apply(
  context: Context,
  place: Place,
  request: ApplyRequest,
  options: WriteOptions,
): Promise<Written> {
  const manager = request.explicitManager;
  if (!manager)
    throw invalidOption('fieldManager', 'FieldValueRequired', 'Required value: is required for apply patch');
  const applied = await readApplied(place, request.body, options);
  const merge = async (live: KubeObject | undefined): Promise<KubeObject> => {
    const result = await tryApply(context, place, request, { applied, live, manager });
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
      return await create(context, place.served, place.namespace, await merge(undefined), {
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

async function tryApply(
  context: Context,
  { served, name }: Place,
  { force, subresource }: ApplyRequest,
  { applied, live, manager }: { applied: KubeObject; live: KubeObject | undefined; manager: string },
): Promise<ApplyResult> {
  const input = {
    schema: served.resource.schema,
    applied,
    ...(live === undefined ? {} : { live }),
    manager,
    force,
    ...(subresource === undefined ? {} : { subresource }),
    time: timestamp(context.clock),
  };
  try {
    return await withForms(context, served, (versions) =>
      serverSideApply({ ...input, ...(versions === undefined ? {} : { versions }) }),
    );
  } catch (error) {
    throw patchFailure(error, served, name);
  }
}

/** The configuration as sent: nothing is defaulted or pruned in it, since it says which fields the manager wants. */
async function readApplied(place: Place, bytes: Buffer, options: WriteOptions): Promise<KubeObject> {
  const { value, duplicates } = await decodeYaml(
    bytes,
    (why) => `error decoding YAML: error converting YAML to JSON: ${why}`,
  );
  const body = asObject(value);
  const { served, name } = place;
  const { apiVersion = '/', kind = '' } = body;
  if (apiVersion !== served.apiVersion || kind !== served.resource.kind) {
    throw badRequest(`invalid object type: ${apiVersion}, Kind=${kind}`);
  }
  reportFaults(
    duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    served,
    options,
  );
  const decoded = decodeMeta(body.metadata);
  const metadata = { ...decoded.metadata, name: decoded.metadata.name ?? name };
  checkUrl(place, metadata);
  return { ...body, apiVersion: served.apiVersion, kind: served.resource.kind, metadata };
}
