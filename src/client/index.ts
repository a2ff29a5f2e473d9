/** Named indexes over keyed objects: which keys have a given value. */

export type KeyIndex<T> = {
  /** Forgets what `before` was filed under and files `after`. */
  move(key: string, before: T | undefined, after: T | undefined): void;
  keys(value: string): Iterable<string>;
};

/** An index by the values that `valuesOf` finds in an object. */
export function createIndex<T>(valuesOf: (object: T) => readonly string[]): KeyIndex<T> {
  const filed = new Map<string, Set<string>>();
  return {
    move: (key, before, after) => {
      for (const value of before === undefined ? [] : valuesOf(before)) {
        const keys = filed.get(value);
        keys?.delete(key);
        if (keys?.size === 0) filed.delete(value);
      }
      for (const value of after === undefined ? [] : valuesOf(after)) {
        const keys = filed.get(value) ?? new Set();
        filed.set(value, keys.add(key));
      }
    },
    keys: (value) => filed.get(value) ?? [],
  };
}
