/** The real drivers of a host: QEMU, LXC, the Linux network, directories, images made with the distribution's tools. */
import { join } from 'node:path';
import type { AgentDrivers } from '../../agent/agent.ts';
import type { AgentConfig } from '../../agent/config.ts';
import type { SumGrowing } from '../../base/sums.ts';
import type { World } from '../../base/world.ts';
import { createCgroups } from '../../drivers/cgroup/cgroups.ts';
import { createNoCgroups } from '../../drivers/cgroup/none.ts';
import { createLxcDriver } from '../../drivers/hypervisor/lxc/driver.ts';
import { ensureIdRange, removeIdRange } from '../../drivers/hypervisor/lxc/idrange.ts';
import { createQemuDriver } from '../../drivers/hypervisor/qemu/driver.ts';
import { createImageBuilder } from '../../drivers/image/builder.ts';
import { createLinuxNetwork } from '../../drivers/network/linux/network.ts';
import { openBtrfsPool } from '../../drivers/storage/directory/btrfs/pool.ts';
import { openDirectoryPool } from '../../drivers/storage/directory/pool.ts';
import { noteShared, writeOutShared } from '../keeper/sharedPools.ts';
import { isRoot } from '../layout.ts';
import { programGroups } from './programs.ts';

export type HostPlaces = { stateDirectory: string; runDirectory: string; cgroupRoot: string; scope: string };

export async function realDrivers(
  places: HostPlaces,
  config: AgentConfig,
  world: World,
  sumGrowing?: SumGrowing,
): Promise<AgentDrivers> {
  // Without root there are machines on user networks only, told by their process identity.
  const cgroups = isRoot()
    ? await createCgroups({ world, root: places.cgroupRoot })
    : createNoCgroups({ world });
  const { admission, ...programs } = programGroups(cgroups);
  const note = noteShared(world.files, places.runDirectory);
  return {
    ...programs,
    machines: createQemuDriver({
      world,
      cgroups,
      runDirectory: places.runDirectory,
      transferPorts: config.migrationPorts,
    }),
    containers: createLxcDriver({ world, cgroups, lxcPath: join(places.stateDirectory, 'lxc') }),
    usage: cgroups.usage,
    network: createLinuxNetwork({
      world,
      config: {
        scope: places.scope.slice(0, 4),
        stateDirectory: join(places.stateDirectory, 'network'),
        runDirectory: places.runDirectory,
        allowedBridges: config.bridges,
        natSubnet: config.natSubnet,
      },
    }),
    openPool: async ({ type, backupKey: told, ...pool }) => {
      if (pool.sharedBy !== undefined) await note(pool.path);
      const ageKey = { told, ...(config.backupKey === undefined ? {} : { file: config.backupKey }) };
      const more = { ageKey, ...(sumGrowing === undefined ? {} : { sumGrowing }) };
      return type === 'Btrfs'
        ? openBtrfsPool({ world, admission, config: { type, ...pool, ...more } })
        : openDirectoryPool({ world, admission, config: { type, ...pool, ...more } });
    },
    writeOutShared: writeOutShared(world, places.runDirectory),
    images: createImageBuilder({ world, cacheDirectory: join(places.stateDirectory, 'cache') }),
    ensureIdRange: (base, count) => ensureIdRange(world, { base, count }),
    removeIdRange: (base, count) => removeIdRange(world, { base, count }),
  };
}
