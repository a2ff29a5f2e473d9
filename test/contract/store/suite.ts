/** What every store promises, told once for all of them. */
import { afterEach, describe, expect, test } from 'vitest';
import { type Change, CompactedError, type Store } from '../../../src/store/contract.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value);

/** Keys and values of a range, as `key=value`. */
const shown = (
  store: Store,
  prefix: string,
  options: { revision?: number; after?: string; limit?: number } = {},
) => store.range({ prefix, ...options }).entries.map((entry) => `${entry.key}=${text(entry.value)}`);

/** Writes one key and returns the revision of the write. */
async function put(store: Store, key: string, value: string): Promise<number> {
  const result = await store.commit([{ key, put: bytes(value) }]);
  if (!result.ok) throw new Error(`unexpected conflict on ${key}`);
  return result.revision;
}

/** Runs the suite over the stores that `open` makes. */
export function describeStore(name: string, open: () => Promise<Store>): void {
  describe(name, () => {
    let store: Store;
    const opened = async (): Promise<Store> => {
      store = await open();
      return store;
    };
    afterEach(() => store.close());

    test('an empty store is at revision 1 and has nothing', async () => {
      const empty = await opened();
      expect(empty.revision()).toBe(1);
      expect(empty.get('/a')).toBeUndefined();
      expect(empty.range({ prefix: '' })).toEqual({ entries: [], more: false });
    });

    test('an entry remembers when it was created and when it was written last', async () => {
      const store = await opened();
      const created = await put(store, '/a', 'one');
      const written = await put(store, '/a', 'two');
      expect(store.get('/a')).toMatchObject({ createRevision: created, modRevision: written });
      expect(text(store.get('/a')?.value)).toBe('two');
      expect(store.revision()).toBe(written);
    });

    test('a deleted and re-created key is created anew', async () => {
      const store = await opened();
      await put(store, '/a', 'one');
      await store.commit([{ key: '/a', delete: true }]);
      const again = await put(store, '/a', 'two');
      expect(store.get('/a')?.createRevision).toBe(again);
    });

    test('"must not exist" refuses a second create and shows what stands there', async () => {
      const store = await opened();
      await store.commit([{ key: '/a', expect: 0, put: bytes('one') }]);
      const second = await store.commit([{ key: '/a', expect: 0, put: bytes('two') }]);
      expect(second).toMatchObject({ ok: false, key: '/a', current: { modRevision: 2 } });
      expect(text(store.get('/a')?.value)).toBe('one');
    });

    test('a write with an old revision conflicts, also when the key is gone', async () => {
      const store = await opened();
      const first = await put(store, '/a', 'one');
      await put(store, '/a', 'two');
      expect(await store.commit([{ key: '/a', expect: first, put: bytes('three') }])).toMatchObject({
        ok: false,
      });
      await store.commit([{ key: '/a', delete: true }]);
      const late = await store.commit([{ key: '/a', expect: first, delete: true }]);
      expect(late).toEqual({ ok: false, key: '/a' });
    });

    test('of concurrent writes with one expectation, exactly one wins', async () => {
      const store = await opened();
      const start = await put(store, '/a', '0');
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          store.commit([{ key: '/a', expect: start, put: bytes(`${index}`) }]),
        ),
      );
      expect(results.filter((result) => result.ok)).toHaveLength(1);
      expect(text(store.get('/a')?.value)).toBe('0');
      expect(store.revision()).toBe(start + 1);
    });

    test('several writes happen together at one revision or not at all', async () => {
      const store = await opened();
      const both = await store.commit([
        { key: '/a', put: bytes('one') },
        { key: '/b', put: bytes('two') },
      ]);
      expect(both).toEqual({ ok: true, revision: 2 });
      expect(store.get('/a')?.modRevision).toBe(store.get('/b')?.modRevision);
      const refused = await store.commit([
        { key: '/c', put: bytes('three') },
        { key: '/b', expect: 99, delete: true },
      ]);
      expect(refused).toMatchObject({ ok: false, key: '/b' });
      expect(store.get('/c')).toBeUndefined();
      expect(store.revision()).toBe(2);
    });

    test('a value can carry the revision it is written at', async () => {
      const store = await opened();
      await Promise.all(
        ['/a', '/b', '/c'].map((key) => store.commit([{ key, put: (revision) => bytes(`r${revision}`) }])),
      );
      for (const entry of store.range({ prefix: '/' }).entries) {
        expect(text(entry.value)).toBe(`r${entry.modRevision}`);
      }
    });

    test('a value that cannot be made fails its own commit only', async () => {
      const store = await opened();
      const broken = store.commit([
        {
          key: '/a',
          put: () => {
            throw new Error('no value');
          },
        },
      ]);
      const fine = put(store, '/b', 'one');
      await expect(broken).rejects.toThrow('no value');
      expect(await fine).toBe(2);
    });

    test('deleting what is not there changes nothing', async () => {
      const store = await opened();
      expect(await store.commit([{ key: '/a', delete: true }])).toEqual({ ok: true, revision: 1 });
      expect(store.revision()).toBe(1);
    });

    test('a key twice in one commit, an empty and an endless key are refused', async () => {
      const store = await opened();
      const value = bytes('x');
      await expect(
        store.commit([
          { key: '/a', put: value },
          { key: '/a', put: value },
        ]),
      ).rejects.toThrow(/twice/);
      await expect(store.commit([{ key: '', put: value }])).rejects.toThrow(RangeError);
      await expect(store.commit([{ key: 'k'.repeat(2000), put: value }])).rejects.toThrow(RangeError);
    });

    test('ranges come in the order of bytes, by prefix, page by page', async () => {
      const store = await opened();
      for (const key of ['/p/b', '/p/a/1', '/p/a', '/p/ä', '/q', '/p', '/p/😀', '/p/\uffee'])
        await put(store, key, 'x');
      const keys = ['/p/a', '/p/a/1', '/p/b', '/p/ä', '/p/\uffee', '/p/😀'];
      expect(store.range({ prefix: '/p/' }).entries.map((entry) => entry.key)).toEqual(keys);
      const first = store.range({ prefix: '/p/', limit: 4 });
      expect(first.more).toBe(true);
      const rest = store.range({ prefix: '/p/', limit: 2, after: first.entries[3]?.key ?? '' });
      expect(rest).toMatchObject({ more: false });
      expect([...first.entries, ...rest.entries].map((entry) => entry.key)).toEqual(keys);
      expect(store.count('/p/')).toBe(6);
      expect(store.count('/none/')).toBe(0);
      expect(store.count('')).toBe(8);
    });

    test('a range at an older revision shows that time, page by page', async () => {
      const store = await opened();
      await put(store, '/a', '1');
      await put(store, '/b', '1');
      const then = await put(store, '/d', '1');
      await put(store, '/a', '2');
      await put(store, '/c', 'new');
      await store.commit([{ key: '/b', delete: true }]);
      await put(store, '/b', 'again');
      await store.commit([{ key: '/d', delete: true }]);
      expect(shown(store, '/', { revision: then })).toEqual(['/a=1', '/b=1', '/d=1']);
      expect(store.range({ prefix: '/', revision: then }).entries[0]).toMatchObject({ modRevision: 2 });
      const page = store.range({ prefix: '/', revision: then, limit: 1 });
      expect(page.more).toBe(true);
      expect(shown(store, '/', { revision: then, after: '/a', limit: 2 })).toEqual(['/b=1', '/d=1']);
      expect(shown(store, '/', { revision: 1 })).toEqual([]);
      expect(shown(store, '/')).toEqual(['/a=2', '/b=again', '/c=new']);
    });

    test('a range at a revision that does not exist yet is refused', async () => {
      const store = await opened();
      expect(() => store.range({ prefix: '/', revision: 7 })).toThrow(RangeError);
    });

    test('changes after a revision come in order, with what stood there before', async () => {
      const store = await opened();
      const first = await put(store, '/a', 'one');
      await put(store, '/a', 'two');
      await store.commit([{ key: '/a', delete: true }]);
      const changes = store.changesAfter(first, 10);
      expect(changes.map((change) => [change.type, change.revision, text(change.previous)])).toEqual([
        ['put', 3, 'one'],
        ['delete', 4, 'two'],
      ]);
      expect(store.changesAfter(4, 10)).toEqual([]);
    });

    test('a limit on changes never splits a commit, so that reading on loses nothing', async () => {
      const store = await opened();
      await store.commit(['/a', '/b', '/c'].map((key) => ({ key, put: bytes('x') })));
      await put(store, '/d', 'x');
      const seen = store.changesAfter(1, 2);
      expect(seen.map((change) => change.key)).toEqual(['/a', '/b', '/c']);
      const on = store.changesAfter(seen.at(-1)?.revision ?? 0, 2);
      expect(on.map((change) => change.key)).toEqual(['/d']);
    });

    test('compacted history is refused, the present stays', async () => {
      const store = await opened();
      await put(store, '/a', '1');
      const kept = await put(store, '/a', '2');
      await put(store, '/a', '3');
      await store.compact(kept);
      expect(store.compactedRevision()).toBe(kept);
      expect(() => store.changesAfter(kept - 1, 10)).toThrow(CompactedError);
      expect(() => store.range({ prefix: '/', revision: kept - 1 })).toThrow(CompactedError);
      expect(shown(store, '/', { revision: kept })).toEqual(['/a=2']);
      expect(store.changesAfter(kept, 10)).toHaveLength(1);
      expect(shown(store, '/')).toEqual(['/a=3']);
      await store.compact(1);
      expect(store.compactedRevision()).toBe(kept);
      await expect(store.compact(99)).rejects.toThrow(RangeError);
    });

    test('a subscriber hears each commit once, in order, before the commit resolves', async () => {
      const store = await opened();
      const heard: string[] = [];
      const end = store.subscribe((changes: readonly Change[]) => {
        for (const change of changes) heard.push(`${change.revision}${change.key}`);
        expect(store.revision()).toBe(changes[0]?.revision);
      });
      const all = Array.from({ length: 50 }, (_, index) =>
        put(store, `/k${index}`, 'x').then((revision) => expect(heard).toContain(`${revision}/k${index}`)),
      );
      await Promise.all(all);
      expect(heard).toEqual(Array.from({ length: 50 }, (_, index) => `${index + 2}/k${index}`));
      end();
      await put(store, '/late', 'x');
      expect(heard).toHaveLength(50);
    });

    test('a subscriber that writes is served without mixing up the order for others', async () => {
      const store = await opened();
      const heard: number[] = [];
      const writes: Promise<unknown>[] = [];
      store.subscribe((changes) => {
        if (changes[0]?.key === '/a') writes.push(put(store, '/b', 'x'));
      });
      store.subscribe((changes) => heard.push(...changes.map((change) => change.revision)));
      await Promise.all([put(store, '/a', 'x'), put(store, '/c', 'x')]);
      await Promise.all(writes);
      expect(heard).toEqual([2, 3, 4]);
    });

    test('a closed store takes no writes', async () => {
      const store = await opened();
      const last = put(store, '/a', 'x');
      await store.close();
      expect(await last).toBe(2);
      await expect(put(store, '/b', 'x')).rejects.toThrow(/closed/);
    });
  });
}
