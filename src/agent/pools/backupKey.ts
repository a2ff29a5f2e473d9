/** The key for the archives of a StoragePool, out of the one Secret that agents may read. It is read when it is needed, and kept nowhere. */
import { BACKUP_KEYS } from '../../api/backupKeys.ts';
import { Secret } from '../../api/core.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Client } from '../../client/contract.ts';

const READ_MS = 10_000;

/** Undefined: the pool names none. Throws ReasonedError KeyMissing. */
export async function readBackupKey(
  client: Pick<Client, 'find'>,
  pool: StoragePool | undefined,
): Promise<string | undefined> {
  const name = pool?.spec.backupKey;
  if (name === undefined) return undefined;
  const secret = await client.find(Secret, BACKUP_KEYS, { signal: AbortSignal.timeout(READ_MS) });
  const value = secret?.data?.[name];
  if (value !== undefined) return Buffer.from(value, 'base64').toString('utf8');
  const message = `the Secret ${BACKUP_KEYS.namespace}/${BACKUP_KEYS.name} has no entry ${name}, which encrypted backups in this pool need`;
  throw new ReasonedError('KeyMissing', message, { stalled: true });
}
