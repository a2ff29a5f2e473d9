/** Patches: JSON patch, merge patch and strategic merge over the stored object; apply is passed on. */
import { invalid as invalidValue } from '../../schema/errors.ts';
import { printJson } from '../../schema/json.ts';
import type { Served } from '../catalog/served.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { applyJsonPatch } from '../patch/json.ts';
import { applyMergePatch } from '../patch/merge.ts';
import { applyStrategicMergePatch } from '../patch/strategic.ts';
import { badRequest, invalid, unsupportedMediaType } from '../status.ts';
import { type Decoded, decodeJson } from '../wire/decode.ts';
import { type ApplyRequest, apply, applyTypes } from './apply.ts';
import type { Context, Place, WriteOptions } from './context.ts';
import { checkUrl, readObject, reportFaults } from './incoming.ts';
import { invalidOption, patchFailure } from './settle.ts';
import { update } from './update.ts';
import type { Written } from './written.ts';

/** The media types of patches a resource takes. */
export function patchTypes(builtin: boolean): string[] {
  return [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(builtin ? ['application/strategic-merge-patch+json'] : []),
    ...applyTypes,
  ];
}

/** What a patch request says beside its place. */
export type PatchRequest = ApplyRequest & { type: string };

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
  const decoded = decodeJson(request.body, (why) => `error decoding patch: ${why}`);
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
  place: Place,
  change: ChangeObject,
  old: KubeObject,
  decoded: Decoded,
  options: WriteOptions,
): KubeObject {
  const { served, name } = place;
  let value: unknown;
  try {
    value = change(old);
  } catch (error) {
    throw patchFailure(error, served, name);
  }
  checkVersion(served, value, name);
  const { object, faults } = readObject(served, { value, duplicates: decoded.duplicates });
  if (options.fieldValidation === 'Strict' && faults.length > 0) {
    const text = `Invalid value: ${JSON.stringify(printJson(decoded.value))}: strict decoding error: ${faults.join(', ')}`;
    throw invalid({ group: '', kind: '' }, '', [
      { type: 'FieldValueInvalid', field: 'patch', message: text },
    ]);
  }
  reportFaults(faults, served, options);
  if (!object.metadata.name) {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  checkUrl(place, object.metadata);
  return object;
}

/** A custom resource may not be patched into another version. */
function checkVersion({ apiVersion, resource }: Served, value: unknown, name: string): void {
  if (resource.builtin || !isRecord(value) || !value.apiVersion || value.apiVersion === apiVersion) return;
  throw invalid(resource, name, [invalidValue('apiVersion', value.apiVersion, `must be ${apiVersion}`)]);
}
