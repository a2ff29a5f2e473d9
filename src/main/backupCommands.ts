/** `vireo backup key export` on the command line. */
import process from 'node:process';
import type { Command } from 'commander';
import type { World } from '../base/world.ts';
import { defaultDataDirectory, layoutOf } from './layout.ts';

/** Adds the commands to the program. */
export function addBackup(program: Command, world: World): void {
  const backup = program.command('backup').description('backups of guests');
  const key = backup.command('key').description('keys that encrypted backups need');
  key
    .command('export')
    .description('copy the key for the archives of a StoragePool to a file, and note that somebody has one')
    .argument('<pool>', 'name of the StoragePool')
    .argument('<file>', 'file that is not there yet')
    .option('--kubeconfig <file>', 'how to reach the API server', process.env.KUBECONFIG)
    .option('--data-dir <dir>', 'what `vireo up` was given', defaultDataDirectory())
    .action(async (pool, file, { kubeconfig, dataDir }) => {
      const { runKeyExport } = await import('./roles/backupKey.ts');
      await runKeyExport({ pool, file, kubeconfig: kubeconfig ?? layoutOf(dataDir).kubeconfig }, world);
    });
}
