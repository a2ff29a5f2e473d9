/** PUT of an object: it replaces what stands there, and of a few kinds it creates what does not (rest.UpdateStrategy, AllowCreateOnUpdate). */
import { keyOf } from '../catalog/keys.ts';
import { cloneJson, type KubeObject } from '../object.ts';
import { conflict } from '../status.ts';
import type { Context, Place, WriteOptions } from './context.ts';
import { create } from './create.ts';
import { type Revision, update } from './update.ts';
import type { Written } from './written.ts';

/** Puts `object` at `place`; throws 404 where it is missing and the kind does not allow to create it so, otherwise as the two do. */
export async function replace(
  context: Context,
  place: Place,
  object: KubeObject,
  subresource: Revision['subresource'],
  options: WriteOptions,
): Promise<Written> {
  const { served, namespace, name } = place;
  const creates = served.behaviour.createOnUpdate === true && subresource === undefined;
  const key = keyOf(served.prefix, namespace, name);
  while (creates && context.store.get(key) === undefined) {
    const { resourceVersion: _, uid, ...metadata } = object.metadata;
    if (uid) {
      const message = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `;
      throw conflict(served.resource, name, message);
    }
    try {
      return await create(context, served, namespace, { ...cloneJson(object), metadata }, options);
    } catch (error) {
      // Somebody else created it in between: then theirs is replaced.
      if (context.store.get(key) === undefined) throw error;
    }
  }
  const next = () => cloneJson(object);
  return update(
    context,
    place,
    { next, whole: true, ...(subresource === undefined ? {} : { subresource }) },
    options,
  );
}
