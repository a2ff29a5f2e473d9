/** The Directory pool under the suite of all pools, on a real file system with real qemu-img. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDirectoryPool } from '../../../src/drivers/storage/directory/pool.ts';
import { realPoolLab } from './realPoolLab.ts';
import { storageSuite } from './suite.ts';

storageSuite('Directory', async () => {
  const path = await mkdtemp(join(tmpdir(), 'vireo-pool-'));
  return realPoolLab(path, (world) =>
    openDirectoryPool({ world, config: { type: 'Directory', name: 'local', path } }),
  );
});
