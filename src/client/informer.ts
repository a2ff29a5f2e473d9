/** The local copy behind an informer: objects by key, indexes, handlers. The reflector fills it; nobody else writes. */
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';
import { keyOf } from '../api/meta.ts';
import type { Log } from '../base/log.ts';
import type { Informer, InformerChange, InformerOptions } from './contract.ts';
import { deepFreeze } from './frozen.ts';
import type { KeyIndex } from './index.ts';
import { createIndex } from './index.ts';

/** Where the reflector puts what it hears. */
export type Sink<T extends KubeObject> = {
  /** The whole selection at one version: what is missing in it is gone. */
  replace(items: readonly Stored<T>[]): void;
  upsert(object: Stored<T>): void;
  remove(object: Stored<T>): void;
};

type IndexFunctions<T extends KubeObject> = NonNullable<InformerOptions<T>['indexes']>;

export type LocalCopy<T extends KubeObject> = {
  informer: Informer<T>;
  sink: Sink<T>;
  /** Adds indexes; one name with two functions is a mistake and throws. */
  addIndexes(functions: IndexFunctions<T>): void;
};

/** managedFields are often longer than the object and nobody here reads them. */
function slim<T extends KubeObject>(object: Stored<T>): Stored<T> {
  if (!('managedFields' in object.metadata)) return deepFreeze(object);
  const { managedFields: _, ...metadata } = object.metadata;
  return deepFreeze({ ...object, metadata });
}

function createIndexes<T extends KubeObject>(objects: ReadonlyMap<string, Stored<T>>) {
  const functions = new Map<string, IndexFunctions<T>[string]>();
  const indexes = new Map<string, KeyIndex<Stored<T>>>();
  return {
    add: (added: IndexFunctions<T>) => {
      for (const [name, valuesOf] of Object.entries(added)) {
        const known = functions.get(name);
        if (known === valuesOf) continue;
        if (known !== undefined) {
          throw new Error(`two indexes are called ${name}: share one function, or use two names`);
        }
        const index = createIndex(valuesOf);
        for (const [key, object] of objects) index.move(key, undefined, object);
        functions.set(name, valuesOf);
        indexes.set(name, index);
      }
    },
    move: (key: string, before: Stored<T> | undefined, after: Stored<T> | undefined) => {
      for (const index of indexes.values()) index.move(key, before, after);
    },
    keys: (name: string, value: string): Iterable<string> => {
      const index = indexes.get(name);
      if (index === undefined)
        throw new Error(`there is no index ${name}: name it when the informer is made`);
      return index.keys(value);
    },
  };
}

/** Resolves with `done` or rejects with the reason of `signal`, whichever is first. */
export function orAborted(done: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return done;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    void done.then(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
  });
}

/** An empty copy of a kind. */
export function createLocalCopy<T extends KubeObject>(kind: KindRef<T>, log: Log): LocalCopy<T> {
  const objects = new Map<string, Stored<T>>();
  const handlers = new Set<(change: InformerChange<T>) => void>();
  const indexes = createIndexes(objects);
  let isSynced = false;
  let markSynced = (): void => {};
  const synced = new Promise<void>((resolve) => {
    markSynced = resolve;
  });

  const tell = (handler: (change: InformerChange<T>) => void, change: InformerChange<T>): void => {
    try {
      handler(change);
    } catch (error) {
      log.error('a handler of changes failed', { kind: kind.kind, key: change.key, error });
    }
  };

  const put = (key: string, before: Stored<T> | undefined, after: Stored<T> | undefined): void => {
    if (after === undefined) objects.delete(key);
    else objects.set(key, after);
    indexes.move(key, before, after);
    const change = {
      key,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    };
    for (const handler of [...handlers]) tell(handler, change);
  };

  const upsert = (fresh: Stored<T>): void => {
    const key = keyOf(fresh.metadata);
    const before = objects.get(key);
    const { uid, resourceVersion } = fresh.metadata;
    if (before?.metadata.uid === uid && before.metadata.resourceVersion === resourceVersion) return;
    if (before === undefined || before.metadata.uid === uid) {
      put(key, before, slim(fresh));
      return;
    }
    // Deleted and made again while nobody looked: whoever cleans up after the old one must hear of its end.
    put(key, before, undefined);
    put(key, undefined, slim(fresh));
  };

  const informer: Informer<T> = {
    kind,
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    byIndex: (index, value) => [...indexes.keys(index, value)].flatMap((key) => objects.get(key) ?? []),
    onChange: (handler) => {
      for (const [key, after] of [...objects]) tell(handler, { key, after });
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
    hasSynced: () => isSynced,
    synced: (signal) => orAborted(synced, signal),
  };

  const sink: Sink<T> = {
    replace: (items) => {
      const present = new Set(items.map((item) => keyOf(item.metadata)));
      for (const [key, before] of [...objects]) {
        if (!present.has(key)) put(key, before, undefined);
      }
      for (const item of items) upsert(item);
      isSynced = true;
      markSynced();
    },
    upsert,
    remove: (object) => {
      const key = keyOf(object.metadata);
      const before = objects.get(key);
      if (before?.metadata.uid === object.metadata.uid) put(key, before, undefined);
    },
  };
  return { informer, sink, addIndexes: indexes.add };
}
