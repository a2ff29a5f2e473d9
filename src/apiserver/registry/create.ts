/** Creation: an object gets its identity, is prepared by its kind, checked, and stored if its name is free. */

import { timestamp } from '../../base/clock.ts';
import { printJson } from '../../schema/json.ts';
import { keyOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { generatedName, newUid } from '../metadata/identity.ts';
import type { KubeObject, ObjectMeta } from '../object.ts';
import { alreadyExists, badRequest, failure } from '../status.ts';
import { checkAllowed, mutated } from './admit.ts';
import { decode } from './codec.ts';
import type { Context, WriteOptions } from './context.ts';
import { warnOfFinalizers } from './incoming.ts';
import { checkValid, recordManager } from './settle.ts';
import { toStored, wireOf } from './versions.ts';
import type { Written } from './written.ts';

/** A generated name is tried so often before AlreadyExists is told. */
const nameTries = 8;

/** Creates `object` in `namespace`; throws 400, 403, 404, 409 or 422. `managed` objects carry their field owners already. */
export async function create(
  context: Context,
  served: Served,
  namespace: string | undefined,
  object: KubeObject,
  options: WriteOptions & { managed?: boolean },
): Promise<Written> {
  const { resource } = served;
  if (served.definition?.terminating) {
    throw failure(
      405,
      'MethodNotAllowed',
      'create not allowed while custom resource definition is terminating',
    );
  }
  placeIn(namespace, object);
  const generated = !object.metadata.name && object.metadata.generateName !== undefined;
  for (let tries = 1; ; tries++) {
    const attempt = generated
      ? {
          ...object,
          metadata: {
            ...object.metadata,
            name: generatedName(object.metadata.generateName ?? '', context.random),
          },
        }
      : object;
    const leave =
      namespace === undefined
        ? () => {}
        : context.gate.enter(namespace, resource, attempt.metadata.name ?? '');
    try {
      const written = await insert(context, served, attempt, options);
      if (written !== undefined) return written;
    } finally {
      leave();
    }
    if (!generated || tries >= nameTries) throw taken(context, served, attempt.metadata);
  }
}

function placeIn(namespace: string | undefined, { metadata }: KubeObject): void {
  if (metadata.resourceVersion)
    throw badRequest('resourceVersion should not be set on objects to be created');
  delete metadata.resourceVersion;
  if (namespace === undefined) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  metadata.namespace = namespace;
}

/** The gate holds the end of the namespace back until this is over, so its look at the namespace holds while admission waits. */
async function insert(
  context: Context,
  served: Served,
  draft: KubeObject,
  options: WriteOptions & { managed?: boolean },
): Promise<Written | undefined> {
  const wanted = await mutated(context, { served, object: draft }, options);
  await options.pace?.();
  const object = await prepare(context, served, wanted, options);
  await options.pace?.();
  await checkValid(served, object);
  await options.pace?.();
  warnOfFinalizers(served, object.metadata, {}, options.warn);
  await checkAllowed(context, { served, object }, options);
  const key = keyOf(served.prefix, object.metadata.namespace, object.metadata.name ?? '');
  if (options.dryRun) {
    return context.store.get(key) === undefined
      ? { code: 201, object, wire: () => Buffer.from(printJson(object)) }
      : undefined;
  }
  const value = await toStored(context, served, object);
  const result = await context.store.commit([{ key, expect: 0, put: value }]);
  if (!result.ok) return undefined;
  const modRevision = result.revision;
  object.metadata.resourceVersion = String(modRevision);
  return { code: 201, object, wire: () => wireOf(served, object, { value, modRevision }) };
}

async function prepare(
  context: Context,
  served: Served,
  draft: KubeObject,
  options: WriteOptions & { managed?: boolean },
): Promise<KubeObject> {
  const time = timestamp(context.clock);
  const { behaviour, resource } = served;
  const {
    deletionTimestamp: _deletion,
    deletionGracePeriodSeconds: _grace,
    selfLink: _link,
    generation: _generation,
    ...metadata
  } = draft.metadata;
  const object: KubeObject = {
    ...draft,
    metadata: {
      ...metadata,
      uid: newUid(context.random),
      creationTimestamp: time,
      ...(behaviour.generation ? { generation: 1 } : {}),
    },
  };
  if (resource.subresources.status === true) delete object.status;
  behaviour.prepareCreate?.(object, time, options.user);
  if (!options.managed) await recordManager(context, served, { after: object }, options);
  return object;
}

function taken(context: Context, served: Served, { namespace, name = '' }: ObjectMeta): Error {
  const entry = context.store.get(keyOf(served.prefix, namespace, name));
  const deleting = entry !== undefined && decode(served, entry).metadata.deletionTimestamp !== undefined;
  return alreadyExists(served.resource, name, deleting ? 'object is being deleted: ' : '');
}
