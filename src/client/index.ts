/** Named indexes over keyed objects: which keys have a given value. */

export type KeyIndex<T> = {
  /** Forgets what `before` was filed under and files `after`. */
  move(key: string, before: T | undefined, after: T | undefined): void;
  keys(value: string): Iterable<string>;
};

const NONE: readonly string[] = [];

/** An index by the values that `valuesOf` finds in an object. */
export function createIndex<T>(valuesOf: (object: T) => readonly string[]): KeyIndex<T> {
  const filed = new Map<string, Set<string>>();
  const remove = (key: string, value: string): void => {
    const keys = filed.get(value);
    keys?.delete(key);
    if (keys?.size === 0) filed.delete(value);
  };
  const add = (key: string, value: string): void => {
    const keys = filed.get(value);
    if (keys === undefined) filed.set(value, new Set([key]));
    else keys.add(key);
  };
  return {
    move: (key, before, after) => {
      const left = before === undefined ? NONE : valuesOf(before);
      const taken = after === undefined ? NONE : valuesOf(after);
      // Most changes move an object from nowhere to nowhere.
      for (const value of left) if (!taken.includes(value)) remove(key, value);
      for (const value of taken) add(key, value);
    },
    keys: (value) => filed.get(value) ?? [],
  };
}
