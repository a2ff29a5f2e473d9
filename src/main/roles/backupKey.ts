/** `vireo backup key export POOL FILE`. */
import { resolve } from 'node:path';
import process from 'node:process';
import type { World } from '../../base/world.ts';
import { exportBackupKey } from '../../cli/backupKey.ts';
import { connect } from '../connect.ts';

export async function runKeyExport(
  { pool, file, kubeconfig }: { pool: string; file: string; kubeconfig: string },
  world: World,
): Promise<void> {
  const client = await connect(kubeconfig, 'vireo-backup-key', world);
  try {
    await exportBackupKey(client, world.files, { pool, file: resolve(file) });
    process.stdout.write(`${file} opens the archives of ${pool}: keep it where they are not\n`);
  } finally {
    await client.close();
  }
}
