/** A lab of pools of directories on a real file system with real qemu-img. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLog } from '../../../src/base/log.ts';
import type { World } from '../../../src/base/world.ts';
import type { StoragePool } from '../../../src/drivers/storage/contract.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import type { PoolLab } from './suite.ts';

/** A lab whose pool lies in `path` and is opened by `open`. */
export function realPoolLab(path: string, open: (world: World) => Promise<StoragePool>): PoolLab {
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
    open: () => open(world),
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
}
