import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backupApiserver, restoreApiserver } from '../../../src/main/roles/backup.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import type { Store } from '../../../src/store/contract.ts';
import { openFileStore } from '../../../src/store/file.ts';

const world = realWorld({ logLevel: 'error' });
const clusterKey = '/registry/core/configmaps/vireo-system/cluster';

let base: string;
let data: string;
let file: string;
let store: Store;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'backup-'));
  data = join(base, 'data');
  file = join(base, 'backup');
  store = await openFileStore({ directory: join(data, 'store') });
  await world.files.makeDirectory(join(data, 'pki'), { mode: 0o700 });
  await writeFile(join(data, 'pki', 'authority.key'), 'secret', { mode: 0o600 });
  await put(clusterKey, { metadata: { name: 'cluster' }, data: { id: 'c1', incarnation: '7' } });
});
afterEach(async () => {
  await store.close();
  await rm(base, { recursive: true, force: true });
});

async function put(key: string, value: unknown): Promise<void> {
  await store.commit([{ key, put: Buffer.from(JSON.stringify(value)) }]);
}

/** Restores into a new directory and reads what is there. */
async function restored<T>(read: (restored: Store) => T, name = 'restored'): Promise<T> {
  const target = join(base, name);
  await restoreApiserver({ file, dataDirectory: target }, world);
  const other = await openFileStore({ directory: join(target, 'store') });
  try {
    return read(other);
  } finally {
    await other.close();
  }
}

const dataOf = (from: Store, key: string) => {
  const entry = from.get(key);
  return entry === undefined ? undefined : JSON.parse(Buffer.from(entry.value).toString('utf8')).data;
};

describe('a backup', () => {
  it('is of one moment, though the store is written to all the while', async () => {
    let writing = true;
    const writer = (async () => {
      for (let count = 1; writing; count++) {
        const value = Buffer.from(JSON.stringify({ data: { count } }));
        await store.commit([
          { key: '/registry/a/x', put: value },
          { key: '/registry/b/x', put: value },
        ]);
      }
    })();
    await world.clock.sleep(20);
    await backupApiserver({ file, dataDirectory: data }, world);
    const acknowledged = dataOf(store, '/registry/a/x').count;
    writing = false;
    await writer;
    const [a, b] = await restored((from) => [dataOf(from, '/registry/a/x'), dataOf(from, '/registry/b/x')]);
    expect(a).toEqual(b);
    expect(a.count).toBeGreaterThan(0);
    expect(a.count).toBeLessThanOrEqual(acknowledged + 1);
  });

  it('holds the keys and values that are not text, for its owner only', async () => {
    await store.commit([{ key: '/registry/core/secrets/d/s', put: Buffer.from([0xff, 0, 0x80]) }]);
    await backupApiserver({ file, dataDirectory: data }, world);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const value = await restored((from) => from.get('/registry/core/secrets/d/s')?.value);
    expect(Buffer.from(value ?? []).toString('hex')).toBe('ff0080');
    const key = join(base, 'restored', 'pki', 'authority.key');
    expect(await readFile(key, 'utf8')).toBe('secret');
    expect((await stat(key)).mode & 0o777).toBe(0o600);
  });

  it('leaves the keys out when it is to lie apart from them', async () => {
    await backupApiserver({ file, dataDirectory: data }, world, { keys: false });
    expect(await restored((from) => dataOf(from, clusterKey).id)).toBe('c1');
    expect(await readdir(join(base, 'restored'))).toEqual(['store']);
  });

  it('of nothing is refused', async () => {
    await expect(
      backupApiserver({ file, dataDirectory: join(base, 'nowhere') }, world),
    ).rejects.toMatchObject({ reason: 'NothingToBackUp' });
  });
});

describe('a restore', () => {
  beforeEach(() => backupApiserver({ file, dataDirectory: data }, world));

  it('raises the incarnation beyond what any leader since can have made of it, each time further', async () => {
    const data1 = await restored((from) => dataOf(from, clusterKey));
    const first = Number(data1.incarnation);
    expect(first).toBeGreaterThan(1_000_007);
    expect(data1.restored, 'who leads later still knows').toBe(data1.incarnation);
    expect((await restored((from) => dataOf(from, clusterKey).id, 'again')) as string).toBe('c1');
    await put(clusterKey, { data: { id: 'c1', incarnation: String(first + 3) } });
    await backupApiserver({ file, dataDirectory: data }, world);
    const next = Number((await restored((from) => dataOf(from, clusterKey), 'next')).incarnation);
    expect(next).toBeGreaterThan(first + 3);
  });

  it('begins at revisions that no client of the old state has seen', async () => {
    const before = store.revision();
    const { revision, compacted, kept } = await restored((from) => ({
      revision: from.revision(),
      compacted: from.compactedRevision(),
      kept: from.get(clusterKey)?.modRevision,
    }));
    expect(revision).toBeGreaterThan(before + 1_000_000);
    expect(compacted).toBe(revision);
    expect(kept).toBe(store.get(clusterKey)?.modRevision);
  });

  it('never overwrites', async () => {
    await expect(restoreApiserver({ file, dataDirectory: data }, world)).rejects.toMatchObject({
      reason: 'DirectoryNotEmpty',
    });
  });

  it.each(['cut off', 'changed', 'something else'])(
    'of a file that is %s leaves nothing behind',
    async (how) => {
      const { size } = await stat(file);
      if (how === 'cut off') await truncate(file, size - 30);
      else if (how === 'something else') await writeFile(file, 'hello');
      else {
        const bytes = await readFile(file);
        bytes[size - 60] = (bytes[size - 60] ?? 0) ^ 0xff;
        await writeFile(file, bytes);
      }
      const target = join(base, 'restored');
      await expect(restoreApiserver({ file, dataDirectory: target }, world)).rejects.toMatchObject({
        reason: 'BackupDamaged',
      });
      expect(await readdir(base)).not.toContain('restored');
    },
  );

  it('clears away what a restore that was killed has left', async () => {
    await world.files.makeDirectory(join(base, 'restored.restoring', 'store'));
    await writeFile(join(base, 'restored.restoring', 'store', 'store.vir'), 'half');
    expect(await restored((from) => dataOf(from, clusterKey).id)).toBe('c1');
  });
});
