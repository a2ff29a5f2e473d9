/** Ends namespaces: a terminating one is emptied, resource by resource, and goes once nothing is left in it. */
import { timestamp } from '../../base/clock.ts';
import type { Entry } from '../../store/contract.ts';
import { keyOf, partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { createPace, ownLane, type Pace } from '../fairness/pace.ts';
import { contentFinalizer, specFinalizers } from '../kinds/namespace.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { create } from '../registry/create.ts';
import { readAll } from '../registry/list.ts';
import { update } from '../registry/update.ts';
import { ApiError } from '../status.ts';
import { removeCollection } from '../verbs/collection.ts';
import { createKeyQueue } from './queue.ts';
import { internalWrite, type Upkeep } from './upkeep.ts';

/** The namespaces every cluster has. */
const initialNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
/** Objects held by finalizers are looked at again when they change; this is for what no event tells. */
const againMs = 5_000;

/** Makes the first namespaces where they are missing. */
export async function createInitialNamespaces(context: Context, namespaces: Served): Promise<void> {
  await Promise.all(
    initialNamespaces
      .filter((name) => context.store.get(keyOf(namespaces.prefix, undefined, name)) === undefined)
      .map((name) => createOne(context, namespaces, name)),
  );
}

async function createOne(context: Context, namespaces: Served, name: string): Promise<void> {
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  try {
    await create(context, namespaces, undefined, object, internalWrite);
  } catch (error) {
    if (!(error instanceof ApiError && error.status.reason === 'AlreadyExists')) throw error;
  }
}

/** Starts the controller. */
export function endNamespaces(context: Context, namespaces: Served): Upkeep {
  const queue = createKeyQueue('the end of a namespace', context, (name) => endOne(name));

  async function endOne(name: string): Promise<void> {
    const place = { served: namespaces, namespace: undefined, name };
    const entry = context.store.get(keyOf(namespaces.prefix, undefined, name));
    if (entry === undefined) return;
    const namespace = decode(namespaces, entry);
    if (
      namespace.metadata.deletionTimestamp === undefined ||
      !specFinalizers(namespace).includes(contentFinalizer)
    )
      return;
    await context.gate.drained(name);
    const left = await empty(context, name);
    if (left.length > 0) {
      await update(
        context,
        place,
        { next: (old) => withContent(old, left, context), subresource: 'status' },
        internalWrite,
      );
      queue.addAfter(name, againMs);
      return;
    }
    await update(context, place, { next: withoutContent, subresource: 'finalize' }, internalWrite);
  }

  /** Namespaces that wait for their content to go. */
  const terminating = new Set<string>();
  function notice(namespace: KubeObject | undefined): void {
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    terminating.add(namespace.metadata.name ?? '');
    queue.add(namespace.metadata.name ?? '');
  }

  const unfollow = context.hub.follow({
    prefix: namespaces.prefix,
    onEvent: (event) => {
      if (event.change.type === 'delete') terminating.delete(partsOf(namespaces.prefix, event.key).name);
      else notice(event.current(namespaces));
    },
  });
  const unsubscribe = context.store.subscribe((changes) => {
    if (terminating.size === 0) return;
    for (const { type, key } of changes) {
      const namespace = key.split('/')[4] ?? '';
      if (type === 'delete' && terminating.has(namespace)) queue.add(namespace);
    }
  });
  for (const entry of context.store.range({ prefix: namespaces.prefix }).entries)
    notice(decode(namespaces, entry));
  return {
    close: () => {
      unfollow();
      unsubscribe();
      return queue.close();
    },
  };
}

/** What is still there of one resource after everything has been asked to go. */
type Remainder = { resource: string; count: number; finalizers: string[] };

async function empty(context: Context, namespace: string): Promise<Remainder[]> {
  const left: Remainder[] = [];
  const pace = createPace(context, ownLane);
  for (const served of context.catalog.stored().filter(({ resource }) => resource.namespaced)) {
    const selection = { namespace, name: undefined, matches: undefined };
    const options = { dryRun: false, propagation: 'Background' } as const;
    await removeCollection(context, served, selection, options, pace);
    const entries = await readAll(context, served, selection, pace);
    if (entries.length === 0) continue;
    const { plural, group } = served.resource;
    left.push({
      resource: group === '' ? plural : `${plural}.${group}`,
      count: entries.length,
      finalizers: await finalizersOf(served, entries, pace),
    });
  }
  return left;
}

async function finalizersOf(served: Served, entries: readonly Entry[], pace: Pace): Promise<string[]> {
  const finalizers: string[] = [];
  for (const entry of entries) {
    await pace();
    finalizers.push(...(decode(served, entry).metadata.finalizers ?? []));
  }
  return finalizers;
}

/** The conditions of a namespace that ends, as they are when nothing is in the way (namespace controller, status_condition_utils.go). */
const fulfilled = [
  ['NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'],
  [
    'NamespaceDeletionGroupVersionParsingFailure',
    'ParsedGroupVersions',
    'All legacy kube types successfully parsed',
  ],
  [
    'NamespaceDeletionContentFailure',
    'ContentDeleted',
    'All content successfully deleted, may be waiting on finalization',
  ],
  ['NamespaceContentRemaining', 'ContentRemoved', 'All content successfully removed'],
  ['NamespaceFinalizersRemaining', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
] as const;

/** Says in the namespace's conditions why it does not go. */
function withContent(old: KubeObject, left: readonly Remainder[], context: Context): KubeObject {
  const counts = new Map<string, number>();
  for (const name of left.flatMap(({ finalizers }) => finalizers))
    counts.set(name, (counts.get(name) ?? 0) + 1);
  const content = left.map(({ resource, count }) => `${resource} has ${count} resource instances`).join(', ');
  const holding = [...counts].map(([name, count]) => `${name} in ${count} resource instances`).join(', ');
  const status = isRecord(old.status) ? old.status : {};
  const before = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
  const found: Record<string, { reason: string; message: string }> = {
    NamespaceContentRemaining: {
      reason: 'SomeResourcesRemain',
      message: `Some resources are remaining: ${content}`,
    },
    ...(holding !== '' && {
      NamespaceFinalizersRemaining: {
        reason: 'SomeFinalizersRemain',
        message: `Some content in the namespace has finalizers remaining: ${holding}`,
      },
    }),
  };
  const conditions = fulfilled.map(([type, reason, message]) => {
    const wrong = found[type];
    const state = wrong ? 'True' : 'False';
    const known = before.find((item) => item.type === type && item.status === state);
    const lastTransitionTime = known?.lastTransitionTime ?? timestamp(context.clock);
    return { type, status: state, reason, message, ...wrong, lastTransitionTime };
  });
  return { ...old, status: { ...status, conditions } };
}

function withoutContent(old: KubeObject): KubeObject {
  const finalizers = specFinalizers(old).filter((name) => name !== contentFinalizer);
  return { ...old, spec: { ...(isRecord(old.spec) ? old.spec : {}), finalizers } };
}
