/** The simulated pool under the suite of all pools. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/base/log.ts';
import { createSimulatedImageBuilder } from '../../../src/drivers/image/simulated.ts';
import { createSimulatedPool } from '../../../src/drivers/storage/simulated/pool.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { storageSuite } from './suite.ts';

storageSuite('Simulated', async () => {
  const path = await mkdtemp(join(tmpdir(), 'vireo-simulated-'));
  const world = { ...realWorld(), log: silentLog };
  const builder = createSimulatedImageBuilder({ world, latencyMs: 0 });
  let full = false;
  const build = async (directory: string, kind: 'Disk' | 'ContainerRootfs') => {
    const type = kind === 'Disk' ? 'DemoDisk' : 'BusyboxRootfs';
    const options = { directory, kind, signal: new AbortController().signal, progress: () => {} };
    return (await builder.build({ type }, options)).file;
  };
  const open = (sharedBy: string) =>
    createSimulatedPool({
      world,
      config: { type: 'Simulated', name: 'local', path, totalBytes: 2 ** 40, sharedBy },
      latencyMs: 0,
      faults: () => ({ full }),
    });
  return {
    open: () => open('host-a'),
    openOn: open,
    diskImage: (directory) => build(directory, 'Disk'),
    rootfsImage: (directory) => build(directory, 'ContainerRootfs'),
    brokenImage: async (directory) => {
      await writeFile(join(directory, 'disk'), 'rubbish');
      return join(directory, 'disk');
    },
    setFull: (value) => {
      full = value;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
});
