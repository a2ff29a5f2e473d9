/** Incoming objects: from a decoded body to an object that fits its kind, with everything unknown reported or refused. */
import { invalid as invalidValue } from '../../schema/errors.ts';
import { printJson } from '../../schema/json.ts';
import type { Served } from '../catalog/served.ts';
import { decodeMeta } from '../metadata/meta.ts';
import { isRecord, type KubeObject, type ObjectMeta } from '../object.ts';
import { badRequest, invalid } from '../status.ts';
import { asObject, type Decoded } from '../wire/decode.ts';
import type { Place, WriteOptions } from './context.ts';

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
  const pruned = [...compiled.prune(object), ...(served.behaviour.prune?.(object) ?? [])];
  compiled.applyDefaults(object);
  if (served.resource.builtin) checkTypes(served, object);
  const faults = [
    ...[...unknown, ...pruned].sort().map((path) => `unknown field ${JSON.stringify(path)}`),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
  ];
  return { object, faults };
}

/** Warns of finalizers that a custom resource gets and that name no domain: two writers may mean different things by them. */
export function warnOfFinalizers(
  { resource }: Served,
  { finalizers = [] }: ObjectMeta,
  old: ObjectMeta,
  warn: WriteOptions['warn'],
): void {
  if (resource.builtin) return;
  for (const name of finalizers) {
    if (name.includes('/') || standardFinalizers.has(name) || old.finalizers?.includes(name)) continue;
    warn(
      `metadata.finalizers: ${JSON.stringify(name)}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers`,
    );
  }
}

const standardFinalizers: ReadonlySet<string> = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

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
  if (!resource.builtin && !body.kind) throw badRequest(kindMissing(resource.kind, body));
  if (body.apiVersion && body.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${body.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (body.kind && body.kind !== resource.kind) {
    if (!resource.builtin) {
      const name = isRecord(body.metadata) ? String(body.metadata.name ?? '') : '';
      const fault = invalidValue('kind', body.kind, `must be ${resource.kind}`);
      throw invalid({ group: resource.group, kind: String(body.kind) }, name, [fault]);
    }
    throw badRequest(
      `the kind in the data (${body.kind}) does not match the expected kind (${resource.kind})`,
    );
  }
}

function kindMissing(kind: string, body: Record<string, unknown>): string {
  const text = printJson(body);
  const start = text.length > 30 ? `${text.slice(0, 30)} ...` : text;
  return `the object provided is unrecognized (must be of type ${kind}): Object 'Kind' is missing in '${text.slice(0, 200)}' (${start})`;
}

/** The object must be the one the URL names, as far as it says which it is. Fills in its namespace, or takes away one it has none of. Throws 400. */
export function checkUrl({ name, namespace }: Place, metadata: ObjectMeta): void {
  if (metadata.name !== name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (namespace === undefined) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  metadata.namespace = namespace;
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
