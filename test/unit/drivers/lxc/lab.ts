/** A host in memory with LXC on it, for tests that end things behind the driver's back. */

import type { World } from '../../../../src/base/world.ts';
import { createCgroups } from '../../../../src/drivers/cgroup/cgroups.ts';
import type { Cgroups } from '../../../../src/drivers/cgroup/contract.ts';
import type { ContainerHardware, ContainerRequest } from '../../../../src/drivers/hypervisor/contract.ts';
import type { LxcDriver } from '../../../../src/drivers/hypervisor/lxc/driver.ts';
import { createLxcDriver } from '../../../../src/drivers/hypervisor/lxc/driver.ts';
import type { HypervisorLab } from '../../../contract/hypervisor/suite.ts';
import type { FakeKernel } from '../cgroup/kernel.ts';
import { fakeKernel, v1Mounts } from '../cgroup/kernel.ts';
import type { FakeLxc } from './fakeLxc.ts';
import { fakeLxc } from './fakeLxc.ts';
import { aGuest, aRequest } from './requests.ts';

export type LxcLab = HypervisorLab<ContainerRequest, ContainerHardware> & {
  kernel: FakeKernel;
  lxc: FakeLxc;
  cgroups: Cgroups;
  /** A new driver that sees the host through `world`; default: as it is. */
  driver(world?: World): LxcDriver;
};

export async function lxcLab(mounts = v1Mounts): Promise<LxcLab> {
  const kernel = fakeKernel(mounts);
  const lxc = fakeLxc(kernel);
  const cgroups = await createCgroups({ world: kernel, root: 'vireo/h1' });
  kernel.groups.directories.add('/pool/web');
  kernel.groups.files.set('/proc/self/status', 'Uid:\t0\t0\t0\t0\n');
  return {
    kernel,
    lxc,
    cgroups,
    driver: (world: World = kernel) => createLxcDriver({ world, cgroups, lxcPath: '/run/v/lxc' }),
    guest: aGuest,
    request: aRequest(),
    changed: { request: aRequest({ hostname: 'renamed' }), path: 'hostname' },
    crash: async (guest) => lxc.crash(guest.id),
    powerOff: async (guest) => lxc.powerOff(guest.id),
    followsShutdown: true,
    countProcesses: async (guest) => lxc.instances(guest.id),
    close: async () => {},
  };
}
