/** What the in-memory API server holds: objects by kind, one growing revision, the changes that watches replay. */
import type { KindRef, KubeObject, Stored } from '../../api/meta.ts';
import { apiVersionOf, keyOf } from '../../api/meta.ts';
import { deepFreeze } from '../frozen.ts';

export type AnyStored = Stored<KubeObject>;

export type MemoryChange = { revision: number; kind: string; before?: AnyStored; after?: AnyStored };

/** What a watch hears: a change, a bookmark at a revision, or the end of its connection. */
export type Signal =
  | { type: 'change'; change: MemoryChange }
  | { type: 'bookmark'; revision: number }
  | { type: 'end' };

export type State = {
  revision(): number;
  /** Changes at or below it are forgotten: a watch from before gets 410 Expired. */
  compactedAt(): number;
  get(kind: KindRef, key: string): AnyStored | undefined;
  /** All of a kind in the order of their keys. */
  list(kind: KindRef): AnyStored[];
  /** Stores with the next revision and tells the watches. What is stored is frozen, so that all may hold the same object. */
  put(kind: KindRef, object: KubeObject & { metadata: { uid: string } }): AnyStored;
  remove(kind: KindRef, object: AnyStored): AnyStored;
  changesAfter(kind: KindRef, revision: number): MemoryChange[];
  /** Hears changes of one kind, bookmarks and ends. */
  subscribe(kind: KindRef, hear: (signal: Signal) => void): () => void;
  announce(signal: Signal): void;
  compact(): void;
};

/** The kind's name in the state: its API version and plural. */
export function kindName(kind: KindRef): string {
  return `${apiVersionOf(kind)}/${kind.plural}`;
}

/** An empty server. `historyLimit` is how many changes it keeps for late watches. */
export function createState(historyLimit: number): State {
  const kinds = new Map<string, Map<string, AnyStored>>();
  /** Keys in order, until one comes or goes. */
  const sorted = new Map<string, readonly string[]>();
  const ears = new Map<string, Set<(signal: Signal) => void>>();
  let history: MemoryChange[] = [];
  let revision = 1;
  let compactedAt = 0;

  const objectsOf = (kind: KindRef): Map<string, AnyStored> => {
    const name = kindName(kind);
    const known = kinds.get(name) ?? new Map<string, AnyStored>();
    kinds.set(name, known);
    return known;
  };

  const stamped = (object: KubeObject & { metadata: { uid: string } }): AnyStored => {
    revision += 1;
    return deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
  };

  const earsOf = (name: string): Set<(signal: Signal) => void> => {
    const known = ears.get(name) ?? new Set();
    ears.set(name, known);
    return known;
  };

  const announce = (signal: Signal): void => {
    for (const listeners of [...ears.values()]) for (const hear of [...listeners]) hear(signal);
  };

  const record = (change: MemoryChange): void => {
    history.push(change);
    if (history.length > historyLimit * 2) {
      history = history.slice(-historyLimit);
      compactedAt = (history[0]?.revision ?? revision) - 1;
    }
    for (const hear of [...earsOf(change.kind)]) hear({ type: 'change', change });
  };

  return {
    revision: () => revision,
    compactedAt: () => compactedAt,
    get: (kind, key) => objectsOf(kind).get(key),
    list: (kind) => {
      const name = kindName(kind);
      const objects = objectsOf(kind);
      const keys = sorted.get(name) ?? [...objects.keys()].sort();
      sorted.set(name, keys);
      return keys.flatMap((key) => objects.get(key) ?? []);
    },
    put: (kind, object) => {
      const key = keyOf(object.metadata);
      const before = objectsOf(kind).get(key);
      const after = stamped(object);
      objectsOf(kind).set(key, after);
      if (before === undefined) sorted.delete(kindName(kind));
      record({ revision, kind: kindName(kind), after, ...(before === undefined ? {} : { before }) });
      return after;
    },
    remove: (kind, object) => {
      objectsOf(kind).delete(keyOf(object.metadata));
      sorted.delete(kindName(kind));
      const before = stamped(object);
      record({ revision, kind: kindName(kind), before });
      return before;
    },
    changesAfter: (kind, after) => {
      const name = kindName(kind);
      return history.filter((change) => change.revision > after && change.kind === name);
    },
    subscribe: (kind, hear) => {
      const listeners = earsOf(kindName(kind));
      listeners.add(hear);
      return () => void listeners.delete(hear);
    },
    announce,
    compact: () => {
      history = [];
      compactedAt = revision;
    },
  };
}
