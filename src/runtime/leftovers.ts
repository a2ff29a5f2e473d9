/** Objects that left a selection and whose end has not been dealt with yet, by key; two of one name are two. */
import type { KubeObject, Stored } from '../api/meta.ts';

export type Leftovers<T extends KubeObject> = {
  add(key: string, last: Stored<T>): void;
  /** The very object is back: there is no end to deal with. */
  returned(key: string, object: Stored<T>): void;
  settled(key: string, last: Stored<T>): void;
  /** Oldest first. */
  of(key: string): readonly Stored<T>[];
};

/** An empty collection. */
export function createLeftovers<T extends KubeObject>(): Leftovers<T> {
  const byKey = new Map<string, Stored<T>[]>();
  const without = (key: string, uid: string): Stored<T>[] =>
    (byKey.get(key) ?? []).filter((last) => last.metadata.uid !== uid);
  const set = (key: string, left: Stored<T>[]): void => {
    if (left.length === 0) byKey.delete(key);
    else byKey.set(key, left);
  };
  return {
    add: (key, last) => set(key, [...without(key, last.metadata.uid), last]),
    returned: (key, object) => set(key, without(key, object.metadata.uid)),
    settled: (key, last) => set(key, without(key, last.metadata.uid)),
    of: (key) => byKey.get(key) ?? [],
  };
}
