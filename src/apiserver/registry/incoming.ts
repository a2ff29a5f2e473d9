/** Incoming objects: from a decoded body to an object that fits its kind, with everything unknown reported or refused. */
import { printJson } from '../../schema/json.ts';
import type { Served } from '../catalog/served.ts';
import { decodeMeta } from '../metadata/meta.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { badRequest } from '../status.ts';
import { asObject, type Decoded } from '../wire/decode.ts';
import type { WriteOptions } from './context.ts';

/** An object and what was wrong with the way it was written: unknown and duplicate fields, as sentences. */
export type Incoming = { object: KubeObject; faults: string[] };

/** Reads a whole object of this kind; throws 400 for another kind or for values of a wrong type in built-in kinds. */
export function readObject(served: Served, { value, duplicates }: Decoded): Incoming {
  const body = asObject(value);
  checkType(served, body);
  const { metadata, unknown } = decodeMeta(body.metadata);
  const object: KubeObject = { ...body, apiVersion: served.apiVersion, kind: served.resource.kind, metadata };
  if (served.resource.builtin) dropNulls(object);
  const compiled = served.compiled();
  const pruned = compiled.prune(object);
  compiled.applyDefaults(object);
  if (served.resource.builtin) checkTypes(served, object);
  const faults = [
    ...[...unknown, ...pruned].sort().map((path) => `unknown field ${JSON.stringify(path)}`),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
  ];
  return { object, faults };
}

/** Refuses or reports the faults, as `fieldValidation` says. */
export function reportFaults(faults: readonly string[], served: Served, options: WriteOptions): void {
  if (faults.length === 0 || options.fieldValidation === 'Ignore') return;
  if (options.fieldValidation === 'Warn') {
    for (const fault of faults) options.warn(fault);
    return;
  }
  throw undecodable(served, `strict decoding error: ${faults.join(', ')}`);
}

/** 400, worded as kube-apiserver's decoder words it. */
export function undecodable({ resource }: Served, why: string): Error {
  const { kind, version } = resource;
  return badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`);
}

function checkType({ apiVersion, resource }: Served, body: Record<string, unknown>): void {
  if (!resource.builtin && !body.kind) {
    throw badRequest(`Object 'Kind' is missing in '${printJson(body).slice(0, 200)}'`);
  }
  if (body.apiVersion && body.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${body.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (body.kind && body.kind !== resource.kind) {
    throw badRequest(
      `the kind in the data (${body.kind}) does not match the expected kind (${resource.kind})`,
    );
  }
}

/** Typed decoders read null as absent; custom resources keep it for their schema to judge. */
function dropNulls(value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) dropNulls(item);
  } else if (isRecord(value)) {
    for (const [key, member] of Object.entries(value)) {
      if (member === null) delete value[key];
      else dropNulls(member);
    }
  }
}

function checkTypes(served: Served, object: KubeObject): void {
  const fault = served
    .compiled()
    .validate(object)
    .find(({ type }) => type === 'FieldValueTypeInvalid');
  if (fault === undefined) return;
  throw undecodable(served, `json: cannot unmarshal ${fault.field}: ${fault.message}`);
}
