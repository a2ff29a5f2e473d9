/** Ends definitions: the objects of a deleted one go first, then the definition itself. */

import { asDefinition, isTrue } from '../catalog/definition.ts';
import { keyOf } from '../catalog/keys.ts';
import { type Served, servedVersions } from '../catalog/served.ts';
import { createPace, ownLane } from '../fairness/pace.ts';
import { instancesFinalizer } from '../kinds/definition.ts';
import type { KubeObject } from '../object.ts';
import { decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { readAll } from '../registry/list.ts';
import { update } from '../registry/update.ts';
import { removeCollection } from '../verbs/collection.ts';
import { createKeyQueue } from './queue.ts';
import { internalWrite, type Upkeep } from './upkeep.ts';

const everything = { namespace: undefined, name: undefined, matches: undefined };
const againMs = 2_000;

/** Starts the controller. */
export function endDefinitions(context: Context, definitions: Served): Upkeep {
  const queue = createKeyQueue('the end of a definition', context, (name) => look(name));

  async function look(name: string): Promise<void> {
    const entry = context.store.get(keyOf(definitions.prefix, undefined, name));
    if (entry === undefined) return;
    const object = decode(definitions, entry);
    if (object.metadata.deletionTimestamp !== undefined) return end(name, object);
    // A definition whose names were taken gets them once they are free: any write settles them anew.
    if (!isTrue(asDefinition(object), 'NamesAccepted')) {
      const place = { served: definitions, namespace: undefined, name };
      await update(context, place, { next: (old) => old, subresource: 'status' }, internalWrite);
    }
  }

  async function end(name: string, object: KubeObject): Promise<void> {
    if (!object.metadata.finalizers?.includes(instancesFinalizer)) return;
    const versions = servedVersions(asDefinition(object), Number(object.metadata.resourceVersion));
    // In the version they lie in they can go although a conversion webhook fails.
    const served = versions.find(({ apiVersion, stored }) => apiVersion === stored.apiVersion) ?? versions[0];
    if (served !== undefined) {
      const pace = createPace(context, ownLane);
      const options = { dryRun: false, propagation: 'Background' } as const;
      await removeCollection(context, served, everything, options, pace);
      if ((await readAll(context, served, everything, pace)).length > 0) {
        queue.addAfter(name, againMs);
        return;
      }
    }
    const place = { served: definitions, namespace: undefined, name };
    await update(context, place, { next: withoutFinalizer }, internalWrite);
  }

  function lookAtAll(): void {
    for (const entry of context.store.range({ prefix: definitions.prefix }).entries) {
      queue.add(decode(definitions, entry).metadata.name ?? '');
    }
  }

  const unfollow = context.hub.follow({
    prefix: definitions.prefix,
    onEvent: (event) => {
      const object = event.current(definitions);
      if (object === undefined) lookAtAll();
      else if (object.metadata.deletionTimestamp !== undefined) queue.add(object.metadata.name ?? '');
    },
  });
  lookAtAll();
  return {
    close: () => {
      unfollow();
      return queue.close();
    },
  };
}

function withoutFinalizer(object: KubeObject): KubeObject {
  const finalizers = (object.metadata.finalizers ?? []).filter((name) => name !== instancesFinalizer);
  return { ...object, metadata: { ...object.metadata, finalizers } };
}
