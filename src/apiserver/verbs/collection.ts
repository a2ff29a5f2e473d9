/** Deletes all objects of a selection, a few at a time. */
import { partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import type { Context } from '../registry/context.ts';
import { readAll } from '../registry/list.ts';
import { type DeleteOptions, remove } from '../registry/remove.ts';
import type { Selection } from '../registry/selection.ts';
import { ApiError } from '../status.ts';

/** Enough to share flushes of the store, few enough to leave others their turn. */
const atOnce = 64;

/** Returns the objects as they were or, where finalizers hold them, as they are now. An object that is gone already is no error. */
export async function removeCollection(
  context: Context,
  served: Served,
  selection: Selection,
  options: DeleteOptions,
): Promise<KubeObject[]> {
  const entries = await readAll(context, served, selection);
  const removed: KubeObject[] = [];
  for (let at = 0; at < entries.length; at += atOnce) {
    const batch = entries.slice(at, at + atOnce);
    const results = await Promise.all(
      batch.map(({ key }) => removeOne(context, served, partsOf(served.prefix, key), options)),
    );
    removed.push(...results.filter((object) => object !== undefined));
  }
  return removed;
}

async function removeOne(
  context: Context,
  served: Served,
  parts: { namespace: string | undefined; name: string },
  options: DeleteOptions,
): Promise<KubeObject | undefined> {
  try {
    return (await remove(context, { served, ...parts }, options)).object;
  } catch (error) {
    if (error instanceof ApiError && error.status.code === 404) return undefined;
    throw error;
  }
}
