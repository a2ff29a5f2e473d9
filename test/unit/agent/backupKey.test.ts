/** The key for the archives of a pool: out of one entry of one Secret, or of the host when the pool names none. */
import { describe, expect, it } from 'vitest';
import { readBackupKey } from '../../../src/agent/pools/backupKey.ts';
import type { StoragePool } from '../../../src/api/kinds/storagePool.ts';
import type { Client } from '../../../src/client/contract.ts';

const pool = (backupKey?: string) =>
  ({ metadata: { name: 'local' }, spec: { type: 'Directory', backupKey } }) as StoragePool;

/** An API server with this Secret alone. */
const server = (data?: Record<string, string>): Pick<Client, 'find'> => ({
  find: (async ({ kind }: { kind: string }, { namespace, name }: { namespace: string; name: string }) =>
    kind === 'Secret' && namespace === 'vireo-system' && name === 'backup-keys' && data !== undefined
      ? { data }
      : undefined) as unknown as Client['find'],
});

describe('the key for the archives of a pool', () => {
  const key = 'AGE-SECRET-KEY-1TEST';
  const data = { main: Buffer.from(key).toString('base64') };

  it('is what the entry holds that the pool names', async () => {
    expect(await readBackupKey(server(data), pool('main'))).toBe(key);
  });

  it('is left to the host when the pool names none, and when there is no pool', async () => {
    expect(await readBackupKey(server(data), pool())).toBeUndefined();
    expect(await readBackupKey(server(data), undefined)).toBeUndefined();
  });

  it.each([
    ['the entry', server(data)],
    ['the Secret', server()],
  ])('is not that of the host when %s is missing: that is said', async (_what, client) => {
    const missing = { reason: 'KeyMissing', message: expect.stringContaining('no entry other') };
    await expect(readBackupKey(client, pool('other'))).rejects.toMatchObject(missing);
  });
});
