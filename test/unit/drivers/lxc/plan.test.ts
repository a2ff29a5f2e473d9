/** The configuration of containers, shown whole in golden/, one option per line. */
import { describe, expect, it } from 'vitest';
import type { ContainerRequest } from '../../../../src/drivers/hypervisor/contract.ts';
import { planConfig } from '../../../../src/drivers/hypervisor/lxc/plan.ts';
import { v1Mounts, v2Mounts } from '../cgroup/kernel.ts';
import { lxcLab } from './lab.ts';
import { aGuest, aNetwork, aRequest } from './requests.ts';

const mib = 2 ** 20;
const limits = { cpu: { cores: 2, limit: 1.5 }, memoryBytes: 256 * mib, swapBytes: 64 * mib, pidsLimit: 100 };

async function plan(request: ContainerRequest, mounts = v1Mounts, idBase = request.idBase): Promise<string> {
  const { cgroups } = await lxcLab(mounts);
  return planConfig(aGuest(), request, { idBase }, cgroups);
}

describe('the configuration of a container', () => {
  it('that asks for nothing is unprivileged, without network and without limits', async () => {
    await expect(await plan(aRequest())).toMatchFileSnapshot('golden/minimal.conf');
  });

  it('has its limits as version 1 spells them', async () => {
    await expect(await plan(aRequest(limits))).toMatchFileSnapshot('golden/limits-v1.conf');
  });

  it('has its limits as version 2 spells them', async () => {
    await expect(await plan(aRequest(limits), v2Mounts)).toMatchFileSnapshot('golden/limits-v2.conf');
  });

  it('has one block of options for each network', async () => {
    const other = { type: 'Veth', ifname: 'vb5b6b7b8', bridge: 'vnat0' } as const;
    const networks = [
      aNetwork(),
      aNetwork({ name: 'eth1', mac: '02:11:22:33:44:66', mtu: 1400, attachment: other }),
    ];
    await expect(await plan(aRequest({ networks }))).toMatchFileSnapshot('golden/networks.conf');
  });

  it('that is privileged has no id mapping', async () => {
    await expect(await plan(aRequest({ unprivileged: false }))).toMatchFileSnapshot('golden/privileged.conf');
  });

  it('whose files are shifted on disk needs no mapping of its mount', async () => {
    const rootfs = { type: 'Directory', path: '/pool/web', shift: { shiftedBy: 1_000_000 } } as const;
    await expect(await plan(aRequest({ rootfs }))).toMatchFileSnapshot('golden/shifted.conf');
  });

  it('allows no swap beside a memory limit unless swap is asked for', async () => {
    expect(await plan(aRequest({ memoryBytes: 64 * mib }))).toContain(
      `lxc.cgroup.memory.memsw.limit_in_bytes = ${64 * mib}\n`,
    );
    expect(await plan(aRequest({ memoryBytes: 64 * mib }), v2Mounts)).toContain(
      'lxc.cgroup2.memory.swap.max = 0\n',
    );
  });

  it('takes the ids that were pinned, not those of a later request', async () => {
    expect(await plan(aRequest(), v1Mounts, 2_000_000)).toContain('lxc.idmap = u 0 2000000 65536\n');
  });
});

describe('a container that cannot be', () => {
  const disk = { type: 'File', path: '/pool/web.qcow2', format: 'qcow2' } as const;
  const shifted = { type: 'Directory', path: '/pool/web', shift: { shiftedBy: 5_000_000 } } as const;
  const tap = { type: 'Tap', ifname: 'tap0', bridge: 'vmbr0' } as const;

  it.each([
    ['on a disk image', aRequest({ rootfs: disk }), 'RootfsUnsupported'],
    ['on files shifted for other ids', aRequest({ rootfs: shifted }), 'RootfsShifted'],
    ['privileged on shifted files', aRequest({ rootfs: shifted, unprivileged: false }), 'RootfsShifted'],
    ['with the host root among its ids', aRequest({ idBase: 0 }), 'InvalidIdRange'],
    ['on a tap', aRequest({ networks: [aNetwork({ attachment: tap })] }), 'NetworkUnsupported'],
    [
      'with an option smuggled into its hostname',
      aRequest({ hostname: 'web\nlxc.hook.stop = /bin/evil' }),
      'InvalidName',
    ],
  ])('%s is refused with a reason', async (_, request, reason) => {
    await expect(plan(request)).rejects.toMatchObject({ reason, stalled: true });
  });
});
