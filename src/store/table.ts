/** The newest entry of each key, in order, in memory: what all reads of the present are answered from. */
import type { Entry } from './contract.ts';
import { compareKeys, sortKeys } from './keys.ts';

/** Entries in the order of their keys. */
export type Table = {
  get(key: string): Entry | undefined;
  set(entry: Entry): void;
  delete(key: string): void;
  /** Entries whose keys start with `prefix` and come after `after`, in order; not valid across a change of the table. */
  scan(prefix: string, after?: string): Iterable<Entry>;
  count(prefix: string): number;
};

/** Makes a table of the entries in `byKey`, which is its own from then on. */
export function createTable(byKey: Map<string, Entry>): Table {
  const keys = sortKeys([...byKey.keys()]);

  /** The first index whose key is not before `key`. */
  const lowerBound = (key: string): number => firstIndex(keys, (other) => compareKeys(other, key) >= 0);

  return {
    get: (key) => byKey.get(key),
    set: (entry) => {
      if (!byKey.has(entry.key)) keys.splice(lowerBound(entry.key), 0, entry.key);
      byKey.set(entry.key, entry);
    },
    delete: (key) => {
      if (byKey.delete(key)) keys.splice(lowerBound(key), 1);
    },
    *scan(prefix, after) {
      const start =
        after !== undefined && compareKeys(after, prefix) >= 0
          ? firstIndex(keys, (other) => compareKeys(other, after) > 0)
          : lowerBound(prefix);
      for (let index = start; index < keys.length; index++) {
        const key = keys[index];
        if (key === undefined || !key.startsWith(prefix)) return;
        const entry = byKey.get(key);
        if (entry !== undefined) yield entry;
      }
    },
    count: (prefix) =>
      firstIndex(keys, (other) => !other.startsWith(prefix) && compareKeys(other, prefix) > 0) -
      lowerBound(prefix),
  };
}

/** The first index for which `reached` holds; it must be false up to some place and true from there on. */
function firstIndex(keys: readonly string[], reached: (key: string) => boolean): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const key = keys[middle];
    if (key !== undefined && reached(key)) high = middle;
    else low = middle + 1;
  }
  return low;
}
