/** A store whose Secrets are encrypted at rest: everything above it sees plain values, everything below it only sealed ones. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Random } from '../../base/random.ts';
import type { World } from '../../base/world.ts';
import type { Change, Entry, Store, Write } from '../../store/contract.ts';
import { prefixOf } from '../catalog/keys.ts';
import type { Upkeep } from '../upkeep/upkeep.ts';
import { type EncryptionKeys, isSealed, open, SealedValueError, seal, sealName } from './envelope.ts';

/** What is sealed. */
const sealedPrefix = prefixOf('', 'secrets');
/** Values looked at in one go. */
const slice = 100;

/**
 * Wraps a store; throws SealedValueError when its first sealed value does not open, because a server that went on would serve
 * errors and write with a second key. The wrapper is closed with the store.
 */
export function encryptedStore(store: Store, keys: EncryptionKeys, random: Random): Store {
  checkKeys(store, keys);
  const isSecret = (key: string) => key.startsWith(sealedPrefix);
  const opened = (entry: Entry): Entry =>
    isSecret(entry.key) ? { ...entry, value: open(keys, entry.key, entry.value) } : entry;
  /** Each request with a token looks at the Secret it is from: what was opened once stays so as long as its entry. */
  const known = new WeakMap<Entry, Entry>();
  const openedOnce = (entry: Entry): Entry => {
    if (!isSecret(entry.key)) return entry;
    const found = known.get(entry) ?? opened(entry);
    known.set(entry, found);
    return found;
  };

  function sealed(write: Write): Write {
    if (!('put' in write) || !isSecret(write.key)) return write;
    const { put } = write;
    const bytes = (revision: number) =>
      seal(keys, write.key, typeof put === 'function' ? put(revision) : put, random);
    return { ...write, put: typeof put === 'function' ? bytes : bytes(0) };
  }

  function openedChange(change: Change): Change {
    if (!isSecret(change.key)) return change;
    const previous =
      change.previous === undefined ? {} : { previous: open(keys, change.key, change.previous) };
    return change.type === 'put'
      ? { ...change, value: open(keys, change.key, change.value), ...previous }
      : { ...change, previous: open(keys, change.key, change.previous) };
  }

  const mayHoldSecrets = (prefix: string) =>
    prefix.startsWith(sealedPrefix) || sealedPrefix.startsWith(prefix);
  return {
    ...store,
    get: (key) => {
      const entry = store.get(key);
      return entry === undefined ? undefined : openedOnce(entry);
    },
    range: (options) => {
      const found = store.range(options);
      return mayHoldSecrets(options.prefix) ? { ...found, entries: found.entries.map(opened) } : found;
    },
    commit: async (writes) => {
      const result = await store.commit(writes.map(sealed));
      if (result.ok || result.current === undefined) return result;
      return { ...result, current: opened(result.current) };
    },
    changesAfter: (revision, limit) => store.changesAfter(revision, limit).map(openedChange),
    subscribe: (listener) => store.subscribe((changes) => listener(changes.map(openedChange))),
  };
}

/** Usually the very first; only a store from before encryption is looked through. */
function firstSealed(store: Store): Entry | undefined {
  let after: string | undefined;
  for (;;) {
    const found = store.range({
      prefix: sealedPrefix,
      limit: slice,
      ...(after === undefined ? {} : { after }),
    });
    const sealed = found.entries.find(({ value }) => isSealed(value));
    if (sealed !== undefined || !found.more) return sealed;
    after = found.entries.at(-1)?.key;
  }
}

function checkKeys(store: Store, keys: EncryptionKeys): void {
  const sealed = firstSealed(store);
  if (sealed === undefined) return;
  try {
    open(keys, sealed.key, sealed.value);
  } catch (error) {
    const why = error instanceof SealedValueError ? error.message : String(error);
    throw new SealedValueError(
      `Secrets cannot be decrypted: ${why}; restore the file encryption.keys that belongs to this store`,
    );
  }
}

/** Seals what is not sealed as it should be, in the background; it is tried again at the next start when it fails. */
export function encryptStored(
  store: Store,
  keys: EncryptionKeys,
  world: Pick<World, 'log' | 'random'>,
): Upkeep {
  const stop = new AbortController();
  const work = sealStored(store, keys, world.random, stop.signal).then(
    (count) => {
      if (count > 0) world.log.info('stored Secrets have been encrypted', { count });
    },
    (error) => world.log.error('stored Secrets could not be encrypted', { error: String(error) }),
  );
  return {
    close: async () => {
      stop.abort();
      await work;
    },
  };
}

/**
 * Seals Secrets that are still plain, or sealed with another key than the first, below the wrapper. Each counts as a write of
 * its own, and one that somebody changes meanwhile is sealed by that change. Stops when aborted.
 */
export async function sealStored(
  store: Store,
  keys: EncryptionKeys,
  random: Random,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  let after: string | undefined;
  for (;;) {
    await breathe();
    const found = store.range({
      prefix: sealedPrefix,
      limit: slice,
      ...(after === undefined ? {} : { after }),
    });
    for (const { key, value, modRevision } of found.entries) {
      if (signal.aborted) return count;
      after = key;
      if (sealName(value) === keys[0].name) continue;
      const plain = open(keys, key, value);
      const result = await store.commit([{ key, expect: modRevision, put: seal(keys, key, plain, random) }]);
      if (result.ok) count++;
    }
    if (!found.more) return count;
  }
}
