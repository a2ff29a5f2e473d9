/** The Directory pool under the suite of all pools, on a real file system with real qemu-img. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/base/log.ts';
import type { World } from '../../../src/base/world.ts';
import { openDirectoryPool } from '../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { storageSuite } from './suite.ts';

storageSuite('Directory', async () => {
  const path = await mkdtemp(join(tmpdir(), 'vireo-pool-'));
  const real = realWorld();
  let full = false;
  const space: World['files']['space'] = async (at) => {
    const found = await real.files.space(at);
    return full ? { ...found, freeBytes: 0 } : found;
  };
  const world = { ...real, log: silentLog, files: { ...real.files, space } };
  const run = async (argv: string[]) => {
    const result = await real.processes.run(argv);
    if (result.code !== 0) throw new Error(result.stderr);
  };
  return {
    open: () => openDirectoryPool({ world, config: { type: 'Directory', name: 'local', path } }),
    diskImage: async (directory) => {
      const file = join(directory, 'disk.qcow2');
      await run(['qemu-img', 'create', '-q', '-f', 'qcow2', file, '1M']);
      return file;
    },
    rootfsImage: async (directory) => {
      const root = join(directory, 'root');
      await mkdir(join(root, 'sbin'), { recursive: true });
      await writeFile(join(root, 'sbin', 'init'), '#!/bin/sh\n', { mode: 0o755 });
      await run(['tar', '-C', root, '-cf', join(directory, 'root.tar'), '.']);
      return join(directory, 'root.tar');
    },
    brokenImage: async (directory) => {
      const file = join(directory, 'disk.qcow2');
      await run(['qemu-img', 'create', '-q', '-f', 'qcow2', file, '1M']);
      await run(['truncate', '-s', '100', file]);
      return file;
    },
    setFull: (value) => {
      full = value;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
});
