/**
 * The garbage collector: an object whose owners are all gone goes too. What is certain is looked up in the store each time;
 * an owner of an unknown kind counts as there, because it cannot be seen that it is gone.
 */
import { keyOf, partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { createPace, ownLane } from '../fairness/pace.ts';
import { equalJson, type KubeObject, type OwnerReference } from '../object.ts';
import { bufferOf, decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { foregroundFinalizer, orphanFinalizer, remove } from '../registry/remove.ts';
import { update } from '../registry/update.ts';
import { ApiError } from '../status.ts';
import { createOwnerIndex, ownersIn } from './owners.ts';
import { createKeyQueue } from './queue.ts';
import { internalWrite, type Upkeep } from './upkeep.ts';

const registryPrefix = '/registry/';
/** Entries read from the store at once; they are looked into at a pace. */
const slice = 200;
/**
 * An owner that is to wait for its dependents, and an object that changed while it was to go, is looked at again, although the change that
 * matters is told: never at once, for what refuses for another reason would be asked without pause.
 */
const againMs = 2_000;
/** Before what stands in the store is looked through: who has waited for the start comes first. */
const fillAfterMs = 1_000;

/** Starts the collector. */
export function collectGarbage(context: Context): Upkeep {
  const { store, catalog } = context;
  const index = createOwnerIndex();
  const queue = createKeyQueue('garbage collection', context, (key) => look(key));
  /** What waits until the index is whole: an owner's dependents are not known before. */
  let early: Set<string> | undefined = new Set();
  const closing = new AbortController();
  function add(key: string): void {
    if (early === undefined) queue.add(key);
    else early.add(key);
  }

  /** Owners that wait in the foreground, by uid: the end of a dependent may be what they wait for. */
  const waiting = new Map<string, string>();
  function wakeOwner(uid: string): void {
    const key = waiting.get(uid);
    if (key !== undefined) add(key);
  }

  /** Follows a value that stands in the store; it may be followed already. */
  function follow(key: string, value: Uint8Array): void {
    const owners = index.put(key, value);
    if (owners.length > 0 || mentionsPropagation(value)) add(key);
  }

  const unsubscribe = store.subscribe((changes) => {
    for (const change of changes) {
      if (change.type === 'put') {
        follow(change.key, change.value);
        continue;
      }
      index.delete(change.key);
      for (const { uid } of ownersIn(change.previous)) wakeOwner(uid);
      const uid = uidIn(change.previous);
      waiting.delete(uid);
      for (const dependent of index.dependentsOf(uid)) add(dependent);
    }
  });

  async function look(key: string): Promise<void> {
    const entry = store.get(key);
    const served = entry === undefined ? undefined : servedFor(key);
    if (entry === undefined || served === undefined) return;
    const object = decode(served, entry);
    const place = { served, ...partsOf(served.prefix, key) };
    if (object.metadata.deletionTimestamp !== undefined) return propagate(key, place, object);
    const owners = object.metadata.ownerReferences ?? [];
    const gone = owners.filter((owner) => isGone(owner, object.metadata.namespace));
    if (gone.length === 0) return;
    if (gone.length < owners.length) return dropOwners(place, gone);
    const { uid, resourceVersion = '' } = object.metadata;
    const seen = { ...(uid === undefined ? {} : { uid }), resourceVersion };
    await remove(context, place, { dryRun: false, propagation: 'Background', ...seen }).catch(
      ignoreRace(() => queue.addAfter(key, againMs)),
    );
  }

  function servedFor(key: string): Served | undefined {
    return catalog.stored().find(({ prefix }) => key.startsWith(prefix));
  }

  function isGone(owner: OwnerReference, namespace: string | undefined): boolean {
    const served = catalog.findKind(owner.apiVersion, owner.kind);
    if (served === undefined) return false;
    const { namespaced } = served.resource;
    // A cluster-scoped object cannot name an owner in a namespace: which one is meant cannot be known.
    if (namespaced && namespace === undefined) return false;
    const entry = store.get(keyOf(served.prefix, namespaced ? namespace : undefined, owner.name));
    return entry === undefined || uidIn(entry.value) !== owner.uid;
  }

  async function dropOwners(place: Place, gone: readonly OwnerReference[]): Promise<void> {
    const next = (old: KubeObject): KubeObject => {
      const kept = (old.metadata.ownerReferences ?? []).filter(
        (owner) => !gone.some((item) => equalJson(item, owner)),
      );
      const { ownerReferences: _all, ...metadata } = old.metadata;
      return { ...old, metadata: kept.length === 0 ? metadata : { ...metadata, ownerReferences: kept } };
    };
    await update(context, place, { next }, internalWrite).catch(ignoreRace());
  }

  /** Does for a deleted owner what its finalizers ask: let the dependents go free, or take them along first. */
  async function propagate(key: string, place: Place, object: KubeObject): Promise<void> {
    const { uid = '', finalizers = [] } = object.metadata;
    const dependents = index.dependentsOf(uid);
    if (finalizers.includes(orphanFinalizer)) {
      for (const dependent of dependents) await orphan(dependent, uid);
      await dropFinalizer(place, orphanFinalizer);
    }
    if (!finalizers.includes(foregroundFinalizer)) return;
    for (const dependent of dependents) await removeDependent(dependent, uid);
    if (index.dependentsOf(uid).some((dependent) => blocks(dependent, uid))) {
      waiting.set(uid, key);
      queue.addAfter(key, againMs);
      return;
    }
    waiting.delete(uid);
    await dropFinalizer(place, foregroundFinalizer);
  }

  async function orphan(dependent: string, uid: string): Promise<void> {
    const served = servedFor(dependent);
    const entry = store.get(dependent);
    if (served === undefined || entry === undefined) return;
    const gone = ownersIn(entry.value).filter((owner) => owner.uid === uid);
    await dropOwners({ served, ...partsOf(served.prefix, dependent) }, gone);
  }

  /** Takes a dependent along, unless another owner still wants it. */
  async function removeDependent(dependent: string, uid: string): Promise<void> {
    const served = servedFor(dependent);
    const entry = store.get(dependent);
    if (served === undefined || entry === undefined) return;
    const { namespace } = partsOf(served.prefix, dependent);
    const others = ownersIn(entry.value).filter((owner) => owner.uid !== uid && !isGone(owner, namespace));
    if (others.length > 0) return orphan(dependent, uid);
    const place = { served, ...partsOf(served.prefix, dependent) };
    await remove(context, place, { dryRun: false, propagation: 'Foreground' }).catch(ignoreRace());
  }

  function blocks(dependent: string, uid: string): boolean {
    const entry = store.get(dependent);
    if (entry === undefined) return false;
    return ownersIn(entry.value).some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true);
  }

  async function dropFinalizer(place: Place, finalizer: string): Promise<void> {
    const next = (old: KubeObject): KubeObject => ({
      ...old,
      metadata: {
        ...old.metadata,
        finalizers: (old.metadata.finalizers ?? []).filter((name) => name !== finalizer),
      },
    });
    await update(context, place, { next }, internalWrite).catch(ignoreRace());
  }

  /** Follows what stands in the store now: what changes meanwhile is told by the subscription. So much is not looked through in one go. */
  async function fill(): Promise<void> {
    await context.clock.sleep(fillAfterMs, closing.signal).catch(() => undefined);
    const pace = createPace(context, ownLane);
    for (let after: string | undefined, more = true; more; ) {
      const found = store.range({
        prefix: registryPrefix,
        limit: slice,
        ...(after === undefined ? {} : { after }),
      });
      for (const { key } of found.entries) {
        const turn = pace();
        if (turn !== undefined) await turn;
        if (closing.signal.aborted) return;
        const entry = store.get(key);
        if (entry !== undefined) follow(key, entry.value);
      }
      after = found.entries.at(-1)?.key;
      more = found.more;
    }
    const keys = early ?? [];
    early = undefined;
    for (const key of keys) queue.add(key);
  }

  const filled = fill();
  return {
    close: async () => {
      closing.abort();
      unsubscribe();
      await filled;
      await queue.close();
    },
  };
}

type Place = { served: Served; namespace: string | undefined; name: string };

const deletionMarker = Buffer.from('"deletionTimestamp"');

function mentionsPropagation(value: Uint8Array): boolean {
  const bytes = bufferOf(value);
  return (
    bytes.includes(deletionMarker) &&
    (bytes.includes(`"${orphanFinalizer}"`) || bytes.includes(`"${foregroundFinalizer}"`))
  );
}

function uidIn(value: Uint8Array): string {
  const object = JSON.parse(bufferOf(value).toString('utf8')) as { metadata?: { uid?: string } };
  return object.metadata?.uid ?? '';
}

/** Somebody else was faster: gone is what was wanted, changed means look again. */
function ignoreRace(again: () => void = () => {}): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiError)) throw error;
    if (error.status.code === 404) return;
    if (error.status.code !== 409) throw error;
    again();
  };
}
