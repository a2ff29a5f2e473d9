/** `vireo backup key export POOL FILE`: a copy of the key for the archives of a pool, and a note that somebody has one. */
import { BACKUP_KEYS, EXPORTED_KEYS, exportedKeys, keyFingerprint } from '../api/backupKeys.ts';
import { Secret } from '../api/core.ts';
import { StoragePool } from '../api/kinds/storagePool.ts';
import type { Files } from '../base/files.ts';
import { ReasonedError } from '../base/outcome.ts';
import type { Client } from '../client/contract.ts';

/** Writes what `age --identity` reads; nobody else may read it, and nothing is written over. Throws ReasonedError NoBackupKey, KeyMissing, FileExists. */
export async function exportBackupKey(
  client: Pick<Client, 'get' | 'find' | 'mergePatch'>,
  files: Pick<Files, 'stat' | 'writeAtomic'>,
  { pool, file }: { pool: string; file: string },
): Promise<void> {
  const { backupKey } = (await client.get(StoragePool, { name: pool })).spec;
  if (backupKey === undefined)
    throw new ReasonedError(
      'NoBackupKey',
      `the StoragePool ${pool} has no backupKey: its hosts have keys of their own`,
    );
  const secret = await client.find(Secret, BACKUP_KEYS);
  const value = secret?.data?.[backupKey];
  if (secret === undefined || value === undefined) {
    const where = `${BACKUP_KEYS.namespace}/${BACKUP_KEYS.name}`;
    throw new ReasonedError('KeyMissing', `the Secret ${where} has no entry ${backupKey}`);
  }
  if ((await files.stat(file)) !== undefined)
    throw new ReasonedError('FileExists', `${file} is there already: name another file`);
  await files.writeAtomic(file, Buffer.from(value, 'base64'), { mode: 0o600 });
  // Only once the copy is on the disk.
  const exported = [...new Set([...exportedKeys(secret), keyFingerprint(value)])].join(' ');
  await client.mergePatch(Secret, BACKUP_KEYS, { metadata: { annotations: { [EXPORTED_KEYS]: exported } } });
}
