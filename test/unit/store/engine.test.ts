import { describe, expect, test } from 'vitest';
import { type Store, StoreFullError } from '../../../src/store/contract.ts';
import { createEngine } from '../../../src/store/engine.ts';
import { createHistory } from '../../../src/store/history.ts';
import type { CommitRecord } from '../../../src/store/journal.ts';

const value = new Uint8Array([1]);
const put = (store: Store, key: string) => store.commit([{ key, put: value }]);

/** A journal whose appends end when and how the test says. */
function slowJournal() {
  const batches: { commits: readonly CommitRecord[]; finish: (error?: Error) => void }[] = [];
  const append = (commits: readonly CommitRecord[]) =>
    new Promise<void>((resolve, reject) => {
      batches.push({ commits, finish: (error) => (error ? reject(error) : resolve()) });
    });
  const journal = { append, trim: async () => {}, close: async () => {} };
  return { batches, store: createEngine(journal, createHistory([], 1)) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the engine', () => {
  test('shows a write to nobody before it is durable', async () => {
    const { batches, store } = slowJournal();
    const heard: number[] = [];
    store.subscribe((changes) => heard.push(changes.length));
    const write = put(store, '/a');
    await turn();
    expect(batches).toHaveLength(1);
    expect(store.get('/a')).toBeUndefined();
    expect(store.revision()).toBe(1);
    expect(heard).toEqual([]);
    batches[0]?.finish();
    await write;
    expect(store.get('/a')).toBeDefined();
    expect(heard).toEqual([1]);
  });

  test('keeps of a small value no more than itself, not what was written about then', async () => {
    const { batches, store } = slowJournal();
    const small = Buffer.from('small');
    expect(small.buffer.byteLength).toBeGreaterThan(1_000);
    const write = store.commit([
      { key: '/a', put: small },
      { key: '/b', put: () => small },
    ]);
    await turn();
    batches[0]?.finish();
    await write;
    for (const { value: kept } of store.range({ prefix: '/' }).entries) {
      expect(Buffer.from(kept).toString()).toBe('small');
      expect(kept.buffer.byteLength).toBe(small.length);
    }
  });

  test('lets all that waits during one flush share the next', async () => {
    const { batches, store } = slowJournal();
    const writes = [put(store, '/a')];
    await turn();
    for (let count = 0; count < 100; count++) writes.push(put(store, `/b${count}`));
    batches[0]?.finish();
    await turn();
    expect(batches).toHaveLength(2);
    expect(batches[1]?.commits).toHaveLength(100);
    batches[1]?.finish();
    await Promise.all(writes);
  });

  test('goes on after a full disk, with the revision that was not used', async () => {
    const { batches, store } = slowJournal();
    const refused = put(store, '/a');
    await turn();
    batches[0]?.finish(new StoreFullError('full'));
    await expect(refused).rejects.toThrow('full');
    expect(store.get('/a')).toBeUndefined();
    const next = put(store, '/b');
    await turn();
    batches[1]?.finish();
    expect(await next).toEqual({ ok: true, revision: 2 });
  });

  test('gives no answer to a condition that was judged against a write that then failed', async () => {
    const { batches, store } = slowJournal();
    const create = store.commit([{ key: '/a', expect: 0, put: value }]);
    const second = store.commit([{ key: '/a', expect: 0, put: value }]);
    await turn();
    batches[0]?.finish(new StoreFullError('full'));
    await expect(create).rejects.toThrow('full');
    await expect(second).rejects.toThrow('full');
  });

  test('writes nothing more once it does not know what is on disk', async () => {
    const { batches, store } = slowJournal();
    const lost = put(store, '/a');
    await turn();
    batches[0]?.finish(new Error('input/output error'));
    await expect(lost).rejects.toThrow('input/output error');
    await expect(put(store, '/b')).rejects.toThrow('input/output error');
    expect(batches).toHaveLength(1);
  });
});
