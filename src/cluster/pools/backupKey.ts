/** Whether somebody has a copy of the key for the archives of a pool: they are of no use without it, and the Secret goes with its cluster. */
import { BACKUP_KEYS, exportedKeys, keyFingerprint } from '../../api/backupKeys.ts';
import { Secret } from '../../api/core.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import type { Client } from '../../client/contract.ts';
import type { ConditionInput } from '../../runtime/conditions.ts';

/** Type of the condition. */
export const KEY_EXPORTED = 'BackupKeyExported';

/** Undefined: the pool names no key. A Secret that cannot be read says nothing of the pool itself. */
export async function keyExported(
  client: Pick<Client, 'find'>,
  { metadata, spec: { backupKey } }: Stored<StoragePool>,
  signal: AbortSignal,
): Promise<ConditionInput | undefined> {
  if (backupKey === undefined) return undefined;
  const say = (status: ConditionInput['status'], reason: string, message: string) => ({
    ...{ type: KEY_EXPORTED, status, reason, message },
  });
  const where = `Secret ${BACKUP_KEYS.namespace}/${BACKUP_KEYS.name}`;
  try {
    const secret = await client.find(Secret, BACKUP_KEYS, { signal });
    const value = secret?.data?.[backupKey];
    if (secret === undefined || value === undefined)
      return say('False', 'KeyMissing', `the ${where} has no entry ${backupKey}: put a key of age there`);
    if (exportedKeys(secret).includes(keyFingerprint(value))) return say('True', 'Exported', '');
    const command = `vireo backup key export ${metadata.name} FILE`;
    return say('False', 'NotExported', `nobody has said to have a copy of the key ${backupKey}: ${command}`);
  } catch (error) {
    signal.throwIfAborted();
    return say('Unknown', 'SecretUnreadable', `the ${where} could not be read: ${String(error)}`);
  }
}
