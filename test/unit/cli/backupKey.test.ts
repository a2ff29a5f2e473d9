/** A key for backups is exported: from then on the pool does not say any more that nobody has a copy. */
import { describe, expect, it } from 'vitest';
import { BACKUP_KEYS } from '../../../src/api/backupKeys.ts';
import { Secret } from '../../../src/api/core.ts';
import { StoragePool } from '../../../src/api/kinds/storagePool.ts';
import { exportBackupKey } from '../../../src/cli/backupKey.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { keyExported } from '../../../src/cluster/pools/backupKey.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { createMemoryFiles } from '../agent/memoryFiles.ts';

const { signal } = new AbortController();
const encoded = (text: string) => Buffer.from(text).toString('base64');

async function cluster(backupKey?: string) {
  const client = createMemoryClient({ clock: createFakeClock() });
  const disk = new Map<string, string>();
  const spec: StoragePool['spec'] = { type: 'Directory', ...(backupKey === undefined ? {} : { backupKey }) };
  const meta = { apiVersion: 'vireo.dev/v1alpha1', kind: 'StoragePool', metadata: { name: 'local' } };
  await client.create(StoragePool, { ...meta, spec });
  const write = (data: Record<string, string>) =>
    client.create(Secret, {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: BACKUP_KEYS, spec: undefined },
      data: Object.fromEntries(Object.entries(data).map(([name, text]) => [name, encoded(text)])),
    });
  return {
    ...{ client, disk, write },
    replace: (name: string, text: string) =>
      client.mergePatch(Secret, BACKUP_KEYS, { data: { [name]: encoded(text) } }),
    export: (file: string) => exportBackupKey(client, createMemoryFiles(disk), { pool: 'local', file }),
    condition: async () => keyExported(client, await client.get(StoragePool, { name: 'local' }), signal),
  };
}

describe('the key for the archives of a pool', () => {
  it('is said to be without a copy until it was exported, and again when it is another', async () => {
    const lab = await cluster('main');
    expect(await lab.condition()).toMatchObject({ status: 'False', reason: 'KeyMissing' });
    await lab.write({ main: 'AGE-SECRET-KEY-1FIRST', other: 'AGE-SECRET-KEY-1OTHER' });
    expect(await lab.condition()).toMatchObject({ status: 'False', reason: 'NotExported' });
    await lab.export('/safe/key');
    expect(lab.disk.get('/safe/key')).toBe('AGE-SECRET-KEY-1FIRST');
    expect(await lab.condition()).toMatchObject({ status: 'True', reason: 'Exported' });
    await lab.replace('main', 'AGE-SECRET-KEY-1SECOND');
    const condition = await lab.condition();
    expect(condition).toMatchObject({ status: 'False', reason: 'NotExported' });
    expect(condition?.message).toContain('vireo backup key export local FILE');
    await lab.export('/safe/second');
    expect(await lab.condition()).toMatchObject({ status: 'True' });
    const { metadata } = await lab.client.get(Secret, BACKUP_KEYS);
    expect(JSON.stringify(metadata)).not.toContain('AGE-SECRET-KEY');
  });

  it('is not written over what is there, and then not said to be exported', async () => {
    const lab = await cluster('main');
    await lab.write({ main: 'AGE-SECRET-KEY-1FIRST' });
    lab.disk.set('/safe/key', 'another key');
    await expect(lab.export('/safe/key')).rejects.toMatchObject({ reason: 'FileExists' });
    expect(lab.disk.get('/safe/key')).toBe('another key');
    expect(await lab.condition()).toMatchObject({ status: 'False', reason: 'NotExported' });
  });

  it('is nothing that is told of when the pool names none', async () => {
    const lab = await cluster();
    expect(await lab.condition()).toBeUndefined();
    await expect(lab.export('/safe/key')).rejects.toMatchObject({ reason: 'NoBackupKey' });
  });
});
