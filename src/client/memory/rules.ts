/** What kube-apiserver does to an object on its way in: identity, generation, the status subresource, deletion. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { KindRef, KubeObject } from '../../api/meta.ts';
import { apiVersionOf, keyOf } from '../../api/meta.ts';
import { ApiError } from '../contract.ts';
import type { AnyStored } from './state.ts';

/** Kinds of Kubernetes itself without a status subresource; custom resources of Vireo all have one. */
const WITHOUT_STATUS = new Set(['configmaps', 'secrets', 'events', 'leases', 'serviceaccounts']);

export function hasStatus(kind: KindRef): boolean {
  return !WITHOUT_STATUS.has(kind.plural);
}

export function notFound(kind: KindRef, name: string): ApiError {
  const resource = kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
  return new ApiError(404, 'NotFound', `${resource} "${name}" not found`);
}

export function alreadyExists(kind: KindRef, name: string): ApiError {
  return new ApiError(409, 'AlreadyExists', `${kind.plural} "${name}" already exists`);
}

export function conflict(kind: KindRef, name: string): ApiError {
  const why = 'the object has been modified; please apply your changes to the latest version and try again';
  return new ApiError(409, 'Conflict', `Operation cannot be fulfilled on ${kind.plural} "${name}": ${why}`);
}

function invalid(field: string, message: string): ApiError {
  return new ApiError(422, 'Invalid', `${field}: ${message}`, { causes: [{ field, message }] });
}

/** Refuses an object that is not of this kind or has no place. */
export function checkObject(kind: KindRef, object: KubeObject): void {
  if (object.kind !== kind.kind || object.apiVersion !== apiVersionOf(kind)) {
    throw new ApiError(
      400,
      'BadRequest',
      `${object.apiVersion} ${object.kind} does not belong to ${kind.plural}`,
    );
  }
  if (object.metadata.name === '') throw invalid('metadata.name', 'Required value');
  if (kind.namespaced && (object.metadata.namespace ?? '') === '') {
    throw new ApiError(400, 'BadRequest', `${kind.plural} are namespaced: metadata.namespace is missing`);
  }
}

/** A new object as stored: identified, without a status that only the status subresource may write. */
export function created<T extends KubeObject>(kind: KindRef, object: T, uid: string, now: string): T {
  const { status: _, ...withoutStatus } = object;
  const { deletionTimestamp: _none, ...metadata } = object.metadata;
  const kept: KubeObject = hasStatus(kind) ? { ...withoutStatus, spec: object.spec } : object;
  return { ...kept, metadata: { ...metadata, uid, creationTimestamp: now, generation: 1 } } as T;
}

/** All that counts for metadata.generation: everything but metadata and status. */
function desired(object: KubeObject): unknown {
  const { metadata: _, status: _status, ...rest } = object;
  return rest;
}

function keepIdentity(current: AnyStored, next: KubeObject): AnyStored['metadata'] {
  const { uid, resourceVersion, creationTimestamp, deletionTimestamp, generation, name } = current.metadata;
  const { deletionTimestamp: _, generation: _old, creationTimestamp: _time, ...metadata } = next.metadata;
  return {
    ...metadata,
    name,
    uid,
    resourceVersion,
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(generation === undefined ? {} : { generation }),
  };
}

function checkUpdate(kind: KindRef, current: AnyStored, next: KubeObject): void {
  const { uid, resourceVersion, finalizers = [], name } = next.metadata;
  if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
    throw conflict(kind, name);
  }
  if (uid !== undefined && uid !== current.metadata.uid) throw conflict(kind, name);
  if (keyOf(next.metadata) !== keyOf(current.metadata)) {
    throw new ApiError(400, 'BadRequest', 'the name of the object does not match the name in the URL');
  }
  if (current.metadata.deletionTimestamp === undefined) return;
  const had = new Set(current.metadata.finalizers ?? []);
  if (finalizers.some((finalizer) => !had.has(finalizer))) {
    throw invalid('metadata.finalizers', 'no new finalizers can be added if the object is being deleted');
  }
}

/** The stored object after an update of the whole or of the status; `current` itself when nothing changes. */
export function updated(
  kind: KindRef,
  current: AnyStored,
  next: KubeObject,
  subresource: 'status' | 'approval' | undefined,
): AnyStored {
  checkUpdate(kind, current, next);
  const { status, ...rest } = next;
  const withStatus = (object: KubeObject, value: unknown): KubeObject =>
    value === undefined ? object : { ...object, status: value };
  const { status: oldStatus, ...oldRest } = current;
  if (subresource !== undefined) {
    const result = { ...withStatus(oldRest, status), metadata: current.metadata };
    return isDeepStrictEqual(result, current) ? current : result;
  }
  const content = withStatus(rest, hasStatus(kind) ? oldStatus : status);
  const metadata = keepIdentity(current, next);
  const result = { ...content, metadata };
  if (isDeepStrictEqual(result, current)) return current;
  if (isDeepStrictEqual(desired(content), desired(current))) return result;
  return { ...result, metadata: { ...metadata, generation: (current.metadata.generation ?? 0) + 1 } };
}

/** True when nothing holds a deleted object back any more. */
export function isReleased(object: AnyStored): boolean {
  return object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).length === 0;
}
