import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Store } from '../../../src/store/contract.ts';
import { openFileStore } from '../../../src/store/file.ts';

const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

/** A store of `count` values that was closed and is read again. */
async function aStoreReadAgain(count: number): Promise<Store> {
  const directory = await mkdtemp(join(tmpdir(), 'store-values-'));
  directories.push(directory);
  const first = await openFileStore({ directory });
  for (let index = 0; index < count; index += 1) await put(first, index, 'old');
  await first.close();
  return openFileStore({ directory });
}

const put = (store: Store, index: number, text: string) =>
  store.commit([{ key: `/k${index}`, put: Buffer.from(`${text} ${index}`) }]);

const textOf = (value: Uint8Array) => Buffer.from(value).toString();

/** How many values share their memory with others. */
function sharing(store: Store): number {
  return store.range({ prefix: '/' }).entries.filter(({ value }) => value.buffer.byteLength > value.length)
    .length;
}

describe('values that were read at the start', () => {
  test('share the memory in which the file was read until that history is forgotten, and have their own then', async () => {
    const store = await aStoreReadAgain(450);
    const readTo = store.revision();
    expect(sharing(store)).toBe(450);
    await put(store, 7, 'new');
    expect(sharing(store)).toBe(449);

    await store.compact(readTo - 1);
    expect(sharing(store)).toBe(449);
    await store.compact(readTo);
    expect(sharing(store)).toBe(0);

    const texts = store.range({ prefix: '/' }).entries.map(({ key, value }) => `${key}: ${textOf(value)}`);
    const expected = Array.from(
      { length: 450 },
      (_, index) => `/k${index}: ${index === 7 ? 'new' : 'old'} ${index}`,
    );
    expect(texts.sort()).toEqual(expected.sort());
    // What was replaced meanwhile is still there for those who read the past.
    const past = store.range({ prefix: '/k7', limit: 1, revision: readTo }).entries;
    expect(past.map(({ value }) => textOf(value))).toEqual(['old 7']);
    await store.close();
  });

  test('get it although values are written and deleted meanwhile', async () => {
    const store = await aStoreReadAgain(450);
    const forgotten = store.compact(store.revision());
    const writes = Array.from({ length: 50 }, (_, index) => put(store, index, 'new'));
    const deletions = [100, 101].map((index) => store.commit([{ key: `/k${index}`, delete: true }]));
    await Promise.all([forgotten, ...writes, ...deletions]);
    expect(sharing(store)).toBe(0);
    expect(store.count('/')).toBe(448);
    expect(textOf(store.get('/k0')?.value ?? new Uint8Array())).toBe('new 0');
    expect(textOf(store.get('/k449')?.value ?? new Uint8Array())).toBe('old 449');
    await store.close();
  });
});
