/** Updates of every sort: the new state is made from the stored one, prepared, checked, and written if nobody was faster. */

import { timestamp } from '../../base/clock.ts';
import { printJson } from '../../schema/json.ts';
import type { Entry } from '../../store/contract.ts';
import { keyOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { cloneJson, type KubeObject, type ObjectMeta } from '../object.ts';
import { type StatusDoor, statusDoor } from '../resource.ts';
import { conflict, invalid, modified, notFound } from '../status.ts';
import { checkAllowed, mutated } from './admit.ts';
import { decode, wireForm } from './codec.ts';
import type { Context, Place, WriteOptions } from './context.ts';
import { warnOfFinalizers } from './incoming.ts';
import { checkValid, isUnchanged, recordManager, specChanged } from './settle.ts';
import { isInStorageVersion, oneInServedVersion, toStored, wireOf } from './versions.ts';
import type { Written } from './written.ts';

/** How the new state comes about. It gets its own copy of the stored object. */
export type Revision = {
  next: (old: KubeObject) => KubeObject | Promise<KubeObject>;
  subresource?: StatusDoor | 'finalize' | 'scale';
  /** True when `next` is a whole object as the client knows it, whose uid then says which object is meant. */
  whole?: boolean;
  /** True when `next` has recorded field owners itself (server-side apply). */
  managed?: boolean;
};

/** Other writers are met again and again only by an object everybody writes; then the client shall decide. */
const tries = 32;

/** Updates the object at `place`; throws 404, 409 or 422, and whatever `next` throws. */
export async function update(
  context: Context,
  place: Place,
  revision: Revision,
  options: WriteOptions,
): Promise<Written> {
  const { served, namespace, name } = place;
  const key = keyOf(served.prefix, namespace, name);
  for (let count = 0; count < tries; count++) {
    const entry = context.store.get(key);
    if (entry === undefined) throw notFound(served.resource, name);
    const written = await attempt(context, served, entry, revision, options);
    if (written !== undefined) return written;
  }
  throw conflict(served.resource, name, modified);
}

/** One try; undefined when another write came between. */
async function attempt(
  context: Context,
  served: Served,
  found: Entry,
  revision: Revision,
  options: WriteOptions,
): Promise<Written | undefined> {
  const entry = await oneInServedVersion(context, served, found);
  const old = decode(served, entry);
  const copy = cloneJson(old);
  await options.pace?.();
  const asked = await revision.next(copy);
  await options.pace?.();
  checkIdentity(served, asked.metadata, old.metadata, revision.whole === true);
  const { subresource } = revision;
  const change = { served, old, ...(subresource === undefined ? {} : { subresource }) };
  const proposed = await mutated(context, { ...change, object: asked }, options);
  const object = await prepare(context, served, proposed, old, revision, options);
  await options.pace?.();
  await checkValid(served, object, old, statusDoor(served.resource, subresource));
  await options.pace?.();
  warnOfFinalizers(served, object.metadata, old.metadata, options.warn);
  await checkAllowed(context, { ...change, object }, options);
  const unchanged = () => ({ code: 200 as const, object: old, wire: () => wireForm(served, entry) });
  if (isUnchanged(object, old) && isInStorageVersion(served, found)) return unchanged();
  if (options.dryRun) return { code: 200, object, wire: () => Buffer.from(printJson(object)) };
  return isReleased(served, object) ? finish(context, entry, object) : store(context, served, entry, object);
}

async function store(
  context: Context,
  served: Served,
  entry: Entry,
  object: KubeObject,
): Promise<Written | undefined> {
  const value = await toStored(context, served, object);
  const result = await context.store.commit([{ key: entry.key, expect: entry.modRevision, put: value }]);
  if (!result.ok) return undefined;
  const modRevision = result.revision;
  object.metadata.resourceVersion = String(modRevision);
  return { code: 200, object, wire: () => wireOf(served, object, { value, modRevision }) };
}

/** The last finalizer of a deleted object has gone: it goes too. */
async function finish(context: Context, entry: Entry, object: KubeObject): Promise<Written | undefined> {
  const result = await context.store.commit([{ key: entry.key, expect: entry.modRevision, delete: true }]);
  if (!result.ok) return undefined;
  return { code: 200, object, wire: () => Buffer.from(printJson(object)) };
}

/** True for an object that is being deleted and that nothing holds any more. */
export function isReleased({ behaviour }: Served, object: KubeObject): boolean {
  const { deletionTimestamp, finalizers = [] } = object.metadata;
  const held = finalizers.length + (behaviour.heldBy?.(object).length ?? 0);
  return deletionTimestamp !== undefined && held === 0;
}

function checkIdentity(
  { resource, behaviour }: Served,
  metadata: ObjectMeta,
  old: ObjectMeta,
  whole: boolean,
): void {
  const name = old.name ?? '';
  if (whole && metadata.uid && metadata.uid !== old.uid) {
    throw conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.uid}`,
    );
  }
  if (!metadata.resourceVersion || metadata.resourceVersion === '0') {
    if (behaviour.unconditionalUpdate) return;
    const message = 'Invalid value: 0x0: must be specified for an update';
    throw invalid({ group: resource.group, kind: resource.plural }, name, [
      { type: 'FieldValueInvalid', field: 'metadata.resourceVersion', message },
    ]);
  }
  if (metadata.resourceVersion !== old.resourceVersion) throw conflict(resource, name, modified);
}

async function prepare(
  context: Context,
  served: Served,
  proposed: KubeObject,
  old: KubeObject,
  { subresource, managed }: Revision,
  options: WriteOptions,
): Promise<KubeObject> {
  const object = restrict(served, proposed, old, subresource);
  object.metadata = keepSystemFields(object.metadata, old.metadata);
  if (subresource !== 'finalize') {
    const door = statusDoor(served.resource, subresource);
    served.behaviour.prepareUpdate?.(object, old, timestamp(context.clock), door);
  }
  if (!managed) {
    const change = { before: old, after: object, ...(subresource === undefined ? {} : { subresource }) };
    await recordManager(context, served, change, options);
  }
  if (served.behaviour.generation && specChanged(served, object, old)) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  return object;
}

/** A write to the object leaves status alone, a write through a door to status everything else. */
function restrict(
  served: Served,
  proposed: KubeObject,
  old: KubeObject,
  subresource: Revision['subresource'],
): KubeObject {
  const { status: newStatus, ...rest } = proposed;
  const { status: oldStatus, ...oldRest } = old;
  if (subresource === 'status' || subresource === 'approval') {
    const { managedFields } = proposed.metadata;
    const { managedFields: _old, ...metadata } = old.metadata;
    return {
      ...oldRest,
      metadata: { ...metadata, ...(managedFields === undefined ? {} : { managedFields }) },
      ...(newStatus === undefined ? {} : { status: newStatus }),
    };
  }
  const status = served.resource.subresources.status === true ? oldStatus : newStatus;
  return {
    ...rest,
    metadata: proposed.metadata,
    apiVersion: old.apiVersion,
    kind: old.kind,
    ...(status === undefined ? {} : { status }),
  };
}

/** What only the server writes. */
function keepSystemFields(metadata: ObjectMeta, old: ObjectMeta): ObjectMeta {
  const kept: ObjectMeta = { ...metadata };
  // Another uid stays, to be refused as immutable.
  if (!kept.uid && old.uid !== undefined) kept.uid = old.uid;
  for (const field of [
    'creationTimestamp',
    'generation',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generateName',
    'resourceVersion',
    'selfLink',
  ] as const) {
    delete kept[field];
    if (old[field] !== undefined) Object.assign(kept, { [field]: old[field] });
  }
  return kept;
}
