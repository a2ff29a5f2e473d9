/** Deletes all objects of a selection, a few at a time and at the given pace. */
import { partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import type { Pace } from '../fairness/pace.ts';
import type { KubeObject } from '../object.ts';
import type { Context } from '../registry/context.ts';
import { readAll } from '../registry/list.ts';
import { type DeleteOptions, remove } from '../registry/remove.ts';
import type { Selection } from '../registry/selection.ts';
import { ApiError } from '../status.ts';

/** Deletions under way at once: enough to share flushes of the store, few enough that what follows each is done soon. */
const atOnce = 8;

/** Returns the objects as they were or, where finalizers hold them, as they are now. An object that is gone already is no error. */
export async function removeCollection(
  context: Context,
  served: Served,
  selection: Selection,
  options: DeleteOptions,
  pace: Pace,
): Promise<KubeObject[]> {
  const entries = await readAll(context, served, selection, pace);
  const removed: KubeObject[] = [];
  for (let at = 0; at < entries.length; at += atOnce) {
    const batch: Promise<KubeObject | undefined>[] = [];
    for (const { key } of entries.slice(at, at + atOnce)) {
      await pace();
      const one = removeOne(context, served, partsOf(served.prefix, key), options);
      // Looked at below; until then it may fail unseen.
      one.catch(() => {});
      batch.push(one);
    }
    removed.push(...(await Promise.all(batch)).filter((object) => object !== undefined));
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
