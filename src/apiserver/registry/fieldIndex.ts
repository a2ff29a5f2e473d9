/**
 * Which objects of a resource have a value in a field, so that a list of a few among many looks at those alone: each agent asks for the
 * guests of its host. An index is made when a field is first asked for, and follows every change from then on.
 */
import type { Change, Store } from '../../store/contract.ts';
import { compareKeys } from '../../store/keys.ts';
import type { Served } from '../catalog/served.ts';
import type { Pace } from '../fairness/pace.ts';
import { fieldText } from '../selection/fields.ts';
import { decode, type Stored } from './codec.ts';

/** The indexes of a server. */
export type FieldIndexes = {
  /** Keys of the objects whose `field` is `value` now, in order; undefined when all have to be looked at. */
  keys(served: Served, field: string, value: string): readonly string[] | undefined;
  /**
   * Waits for the index of a field, which the first that asks has made: lists that go through all objects meanwhile would keep it, and each
   * other, from getting on. Undefined when there is nothing to wait for.
   */
  ready(served: Served, field: string): Promise<void> | undefined;
  close(): void;
};

/** Fewer objects are looked through at once. */
const leastObjects = 500;
/** More keys are not worth their order. */
const mostKeys = 2_000;
/** Objects read in one go while an index is made: a few milliseconds at most. */
const slice = 20;

type Index = {
  served: Served;
  /** Resolves once all objects are in it, or it is given up. */
  made: Promise<void>;
  isWhole: boolean;
  set(key: string, stored: Stored): void;
  follow(change: Change): void;
  keys(value: string): readonly string[] | undefined;
};

/** `pace` is asked between two slices while an index is made. */
export function createFieldIndexes(store: Store, pace: Pace): FieldIndexes {
  const indexes = new Map<string, Index>();
  let closed = false;

  const unsubscribe = store.subscribe((changes) => {
    for (const [name, index] of indexes) {
      try {
        for (const change of changes) if (change.key.startsWith(index.served.prefix)) index.follow(change);
      } catch {
        // A value that cannot be read: lists look at all objects, and tell of it.
        indexes.delete(name);
      }
    }
  });

  /** What is read is what stands there now: whatever changes later is told by the subscription. */
  const fill = async (name: string, index: Index): Promise<void> => {
    const { prefix } = index.served;
    for (let after: string | undefined; ; ) {
      await pace();
      if (closed || indexes.get(name) !== index) return;
      const found = store.range({ prefix, limit: slice, ...(after === undefined ? {} : { after }) });
      for (const entry of found.entries) index.set(entry.key, entry);
      after = found.entries.at(-1)?.key;
      if (!found.more) break;
    }
    index.isWhole = true;
  };

  const nameOf = ({ prefix, apiVersion }: Served, field: string) => `${prefix} ${apiVersion} ${field}`;
  // What a webhook would make of a field is not known here.
  const isWorthwhile = ({ prefix, conversion }: Served) =>
    conversion === undefined && store.count(prefix) >= leastObjects;

  return {
    keys: (served, field, value) => {
      const known = indexes.get(nameOf(served, field));
      // A definition that has changed may read its objects in another way.
      const isKnown = known?.served === served && known.isWhole && isWorthwhile(served);
      return isKnown ? known.keys(value) : undefined;
    },
    ready: (served, field) => {
      if (!isWorthwhile(served)) return undefined;
      const name = nameOf(served, field);
      const known = indexes.get(name);
      if (known?.served === served) return known.isWhole ? undefined : known.made;
      const index = createIndex(served, field);
      indexes.set(name, index);
      index.made = fill(name, index).catch(() => {
        if (indexes.get(name) === index) indexes.delete(name);
      });
      return index.made;
    },
    close: () => {
      closed = true;
      unsubscribe();
    },
  };
}

function createIndex(served: Served, field: string): Index {
  const values = new Map<string, string>();
  const keys = new Map<string, Set<string>>();
  const remove = (key: string): void => {
    const value = values.get(key);
    const peers = value === undefined ? undefined : keys.get(value);
    if (value === undefined || peers === undefined) return;
    values.delete(key);
    peers.delete(key);
    if (peers.size === 0) keys.delete(value);
  };
  const set = (key: string, stored: Stored): void => {
    const value = fieldText(decode(served, stored), field);
    if (values.get(key) === value) return;
    remove(key);
    values.set(key, value);
    keys.set(value, (keys.get(value) ?? new Set()).add(key));
  };
  return {
    served,
    made: Promise.resolve(),
    isWhole: false,
    set,
    follow: (change) => {
      if (change.type === 'delete') remove(change.key);
      else set(change.key, { value: change.value, modRevision: change.revision });
    },
    keys: (value) => {
      const found = keys.get(value);
      if (found === undefined) return [];
      return found.size > mostKeys ? undefined : [...found].sort(compareKeys);
    },
  };
}
