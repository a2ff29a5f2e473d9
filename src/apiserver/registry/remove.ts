/** Deletion: at once, or, while finalizers hold the object, by marking it and leaving the rest to whoever set them. */

import { timestamp } from '../../base/clock.ts';
import { printJson } from '../../schema/json.ts';
import type { Entry } from '../../store/contract.ts';
import type { User } from '../access/user.ts';
import { keyOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { equalJson, type KubeObject } from '../object.ts';
import { conflict, deleted, forbidden, modified, notFound, type Status } from '../status.ts';
import { checkAllowed } from './admit.ts';
import { decode, wireForm } from './codec.ts';
import type { Context, Place } from './context.ts';
import { isReleased } from './update.ts';
import { oneInServedVersion, toStored, wireOf } from './versions.ts';
import type { Written } from './written.ts';

/** What happens to the objects that this one owns. */
export type Propagation = 'Background' | 'Foreground' | 'Orphan';

/** metav1.DeleteOptions as far as they matter here. */
export type DeleteOptions = {
  dryRun: boolean;
  /** Who deletes; absent when the server itself does. */
  user?: User;
  /** Takes a sentence for a Warning header. */
  warn?: (text: string) => void;
  /** Takes what the audit log is to say of the request. */
  annotate?: (key: string, value: string) => void;
  propagation?: Propagation;
  uid?: string;
  resourceVersion?: string;
};

/** The finalizers by which the garbage collector does what was asked. */
export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';

/** A Status when the object is gone, the object while it is held. */
export type Removed = { gone: true; status: Status; object: KubeObject } | ({ gone: false } & Written);

const tries = 32;

/** Deletes the object at `place`; throws 403, 404 and 409. */
export async function remove(context: Context, place: Place, options: DeleteOptions): Promise<Removed> {
  const { served, namespace, name } = place;
  const key = keyOf(served.prefix, namespace, name);
  const objection = served.behaviour.undeletable?.(name);
  if (objection !== undefined) throw forbidden(served.resource, name, objection);
  for (let count = 0; count < tries; count++) {
    const entry = context.store.get(key);
    if (entry === undefined) throw notFound(served.resource, name);
    const removed = await attempt(context, served, entry, options);
    if (removed !== undefined) return removed;
  }
  throw conflict(served.resource, name, modified);
}

async function attempt(
  context: Context,
  served: Served,
  found: Entry,
  options: DeleteOptions,
): Promise<Removed | undefined> {
  const entry = await oneInServedVersion(context, served, found);
  const old = decode(served, entry);
  checkPreconditions(served, old, options);
  await checkAllowed(context, { served, old }, options);
  const object = marked(context, served, old, options);
  if (isReleased(served, object)) {
    if (!options.dryRun) {
      const result = await context.store.commit([
        { key: entry.key, expect: entry.modRevision, delete: true },
      ]);
      if (!result.ok) return undefined;
    }
    const status = deleted(served.resource, old.metadata.name ?? '', old.metadata.uid ?? '');
    return { gone: true, status, object: old };
  }
  if (object === old) return { gone: false, code: 200, object: old, wire: () => wireForm(served, entry) };
  if (options.dryRun) {
    return { gone: false, code: 200, object, wire: () => Buffer.from(printJson(object)) };
  }
  const value = await toStored(context, served, object);
  const result = await context.store.commit([{ key: entry.key, expect: entry.modRevision, put: value }]);
  if (!result.ok) return undefined;
  const modRevision = result.revision;
  object.metadata.resourceVersion = String(modRevision);
  return { gone: false, code: 200, object, wire: () => wireOf(served, object, { value, modRevision }) };
}

function checkPreconditions({ resource }: Served, { metadata }: KubeObject, options: DeleteOptions): void {
  const name = metadata.name ?? '';
  if (options.uid !== undefined && options.uid !== metadata.uid) {
    throw conflict(
      { group: resource.group, plural: resource.kind },
      name,
      `the UID in the precondition (${options.uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    );
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      { group: resource.group, plural: resource.kind },
      name,
      `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    );
  }
}

/** The object with all marks of a deletion; the same value when it has them already. */
function marked(context: Context, served: Served, old: KubeObject, options: DeleteOptions): KubeObject {
  const finalizers = wantedFinalizers(old.metadata.finalizers ?? [], options.propagation);
  const same = equalJson(finalizers, old.metadata.finalizers ?? []);
  if (old.metadata.deletionTimestamp !== undefined && same) return old;
  const { finalizers: _old, ...metadata } = old.metadata;
  const object: KubeObject = {
    ...old,
    metadata: {
      ...metadata,
      ...(finalizers.length === 0 ? {} : { finalizers }),
      deletionTimestamp: metadata.deletionTimestamp ?? timestamp(context.clock),
      deletionGracePeriodSeconds: 0,
      ...(metadata.generation === undefined ? {} : { generation: metadata.generation + 1 }),
    },
  };
  served.behaviour.prepareDelete?.(object);
  return object;
}

function wantedFinalizers(old: readonly string[], propagation: Propagation | undefined): string[] {
  if (propagation === undefined) return [...old];
  const others = old.filter((name) => name !== orphanFinalizer && name !== foregroundFinalizer);
  if (propagation === 'Orphan') return [...others, orphanFinalizer];
  return propagation === 'Foreground' ? [...others, foregroundFinalizer] : others;
}
