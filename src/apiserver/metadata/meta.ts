/** metadata of incoming objects: what of it is known, what its values may be, and what an update may not change. */

import { compileSchema } from '../../schema/compile.ts';
import type { FieldError } from '../../schema/contract.ts';
import { forbidden, invalid, required } from '../../schema/errors.ts';
import { isRecord, type ObjectMeta } from '../object.ts';
import { objectMetaSchema } from '../openapi/objectmeta.ts';
import { badRequest } from '../status.ts';
import { labelKeyErrors, labelValueErrors, type NameCheck } from './names.ts';

const annotationLimitBytes = 256 * 1024;

/** The root keeps a field called metadata whatever it holds, so the schema is tried under another name. */
const checker = compileSchema({ type: 'object', properties: { meta: objectMetaSchema } });

/** metadata as it was read; `unknown` are the paths of fields that were taken out. */
export type DecodedMeta = { metadata: ObjectMeta; unknown: string[] };

/**
 * Reads metadata of any form: nulls count as absent, unknown fields are taken out, wrong types are refused with 400
 * as a decoder would refuse them. The value given is changed in place.
 */
export function decodeMeta(value: unknown): DecodedMeta {
  if (value === undefined || value === null) return { metadata: {}, unknown: [] };
  if (!isRecord(value)) throw badRequest('metadata: Invalid value: must be of type object');
  const { managedFields } = value;
  delete value.managedFields;
  dropNulls(value);
  const wrapped = { meta: value };
  const unknown = checker.prune(wrapped).map((path) => path.replace(/^meta/, 'metadata'));
  // What owner references lack is told with the other faults of the object.
  const fault = checker.validate(wrapped).find(({ type }) => type !== 'FieldValueRequired');
  if (fault !== undefined) {
    const path = fault.field.replace(/^meta/, 'metadata');
    throw badRequest(`${path}: ${fault.message.replaceAll(fault.field, path)}`);
  }
  if (Array.isArray(managedFields)) value.managedFields = managedFields;
  return { metadata: value, unknown };
}

function dropNulls(record: Record<string, unknown>): void {
  for (const [key, member] of Object.entries(record)) {
    if (member === null) delete record[key];
    else if (isRecord(member)) dropNulls(member);
  }
}

/** What is wrong with the metadata of an object about to be stored (apimachinery, ValidateObjectMeta). */
export function validateMeta(
  metadata: ObjectMeta,
  rules: { namespaced: boolean; nameErrors: NameCheck },
): FieldError[] {
  return [
    ...nameFaults(metadata, rules.nameErrors),
    ...(rules.namespaced && !metadata.namespace ? [required('metadata.namespace')] : []),
    ...labelFaults(metadata.labels ?? {}),
    ...annotationFaults(metadata.annotations ?? {}),
    ...(metadata.finalizers ?? []).flatMap((name) => faults('metadata.finalizers', name, labelKeyErrors)),
    ...ownerFaults(metadata),
  ];
}

function nameFaults({ name, generateName }: ObjectMeta, check: NameCheck): FieldError[] {
  if (!name && !generateName) return [required('metadata.name', 'name or generateName is required')];
  return name === undefined ? [] : faults('metadata.name', name, check);
}

function faults(field: string, value: string, check: NameCheck): FieldError[] {
  return check(value).map((fault) => invalid(field, value, fault));
}

/** The faults of a set of labels at `field`. */
export function labelFaults(
  labels: { readonly [key: string]: string },
  field = 'metadata.labels',
): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...faults(field, key, labelKeyErrors),
    ...faults(field, value, labelValueErrors),
  ]);
}

function annotationFaults(annotations: { readonly [key: string]: string }): FieldError[] {
  const found: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    size += key.length + value.length;
    found.push(...faults('metadata.annotations', key, (text) => labelKeyErrors(text.toLowerCase())));
  }
  if (size > annotationLimitBytes) {
    found.push({
      type: 'FieldValueTooLong',
      field: 'metadata.annotations',
      message: `Too long: may not be more than ${annotationLimitBytes} bytes`,
    });
  }
  return found;
}

function ownerFaults({ ownerReferences = [] }: ObjectMeta): FieldError[] {
  const controllers = ownerReferences.filter((owner) => owner.controller === true);
  const path = 'metadata.ownerReferences';
  const found = ownerReferences.flatMap((owner) => [
    ...(['apiVersion', 'kind', 'name', 'uid'] as const)
      .filter((field) => !owner[field])
      .map((field) =>
        invalid(`${path}.${field}`, '', `${field === 'apiVersion' ? 'version' : field} must not be empty`),
      ),
    ...(owner.apiVersion === 'v1' && owner.kind === 'Event'
      ? [invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner')]
      : []),
  ]);
  if (controllers.length < 2) return found;
  const names = controllers.map((owner) => `${owner.kind}/${owner.name}`).join(' and ');
  return [
    ...found,
    invalid(
      path,
      names,
      `Only one reference can have Controller set to true. Found "true" in references for ${names}`,
    ),
  ];
}

/** What an update may not do to metadata (apimachinery, ValidateObjectMetaAccessorUpdate). */
export function validateMetaUpdate(metadata: ObjectMeta, old: ObjectMeta): FieldError[] {
  const added = (metadata.finalizers ?? []).filter((name) => !(old.finalizers ?? []).includes(name));
  const found: FieldError[] = [];
  if (old.deletionTimestamp !== undefined && added.length > 0) {
    const names = added.map((name) => JSON.stringify(name)).join(', ');
    found.push(
      forbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${names}}`,
      ),
    );
  }
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if (metadata[field] !== old[field]) {
      found.push(invalid(`metadata.${field}`, metadata[field] ?? '', 'field is immutable'));
    }
  }
  return found;
}
