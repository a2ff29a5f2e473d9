/** What waits for a restart, and what a running container gets at once. */
import { describe, expect, it } from 'vitest';
import { pendingChanges } from '../../../../src/drivers/hypervisor/lxc/pending.ts';
import { lxcLab } from './lab.ts';
import { aGuest, aNetwork, aRequest } from './requests.ts';

const mib = 2 ** 20;
const guest = aGuest();
const started = aRequest({ networks: [aNetwork()] });

describe('changes that wait for a restart', () => {
  it.each([
    ['hostname', aRequest({ ...started, hostname: 'db' }), 'web', 'db'],
    [
      'networks[eth0].mac',
      aRequest({ networks: [aNetwork({ mac: '02:00:00:00:00:01' })] }),
      '02:11:22:33:44:55',
      '02:00:00:00:00:01',
    ],
    ['networks[eth0].mtu', aRequest({ networks: [aNetwork({ mtu: 1400 })] }), 'none', '1400'],
    [
      'networks[eth0].bridge',
      aRequest({ networks: [aNetwork({ attachment: { type: 'Veth', ifname: 'v', bridge: 'vmbr1' } })] }),
      'vmbr0',
      'vmbr1',
    ],
    ['networks[eth0]', aRequest(), '02:11:22:33:44:55 on vmbr0', 'none'],
    [
      'networks[eth1]',
      aRequest({ networks: [aNetwork(), aNetwork({ name: 'eth1' })] }),
      'none',
      '02:11:22:33:44:55 on vmbr0',
    ],
  ])('name %s with both values', (path, wanted, from, to) => {
    expect(pendingChanges(started, wanted)).toEqual([{ path, from, to, class: 'Restart' }]);
  });

  it('are none for equal requests, nor for limits', () => {
    expect(pendingChanges(started, structuredClone(started))).toEqual([]);
    expect(
      pendingChanges(started, { ...started, memoryBytes: mib, pidsLimit: 3, cpu: { limit: 2 } }),
    ).toEqual([]);
  });

  it('say that becoming privileged needs another container', () => {
    expect(pendingChanges(started, { ...started, unprivileged: false })).toMatchObject([
      { path: 'unprivileged', class: 'Recreate' },
    ]);
  });
});

describe('limits of a running container', () => {
  const open = async () => {};
  const running = async () => {
    const lab = await lxcLab();
    const driver = lab.driver();
    await driver.start(guest, lab.request, { idBase: 1_000_000 }, open);
    return { lab, driver, payload: `${guest.id}/payload` };
  };

  it('are in the kernel after an update, and lifted when they are no longer asked for', async () => {
    const { lab, driver, payload } = await running();
    const limited = aRequest({ cpu: { cores: 4, limit: 2.5 }, memoryBytes: 64 * mib, pidsLimit: 50 });
    expect(await driver.update(guest, limited)).toEqual([]);
    expect(await lab.cgroups.limits(payload)).toEqual({
      cpuLimit: 2.5,
      memoryBytes: 64 * mib,
      swapBytes: 0,
      pids: 50,
    });
    expect(await driver.update(guest, aRequest())).toEqual([]);
    expect(await lab.cgroups.limits(payload)).toEqual({});
  });

  it('are in the configuration too, for the time when the container reboots itself', async () => {
    const { lab, driver } = await running();
    await driver.update(guest, aRequest({ pidsLimit: 50, hostname: 'later' }));
    const config = lab.kernel.groups.files.get(`${guest.directory}/lxc/config`);
    expect(config).toContain('lxc.cgroup.pids.max = 50\n');
    expect(config).toContain('lxc.uts.name = web\n');
  });

  it('that the kernel refuses are pending with what it holds', async () => {
    const { lab, driver } = await running();
    await driver.update(guest, aRequest({ memoryBytes: 64 * mib }));
    const busy = {
      ...lab.kernel.files,
      writeInPlace: async (path: string, value: string) => {
        if (path.endsWith('memory.limit_in_bytes')) throw Object.assign(new Error('busy'), { code: 'EBUSY' });
        await lab.kernel.files.writeInPlace(path, value);
      },
    };
    Object.assign(lab.kernel.files, busy);
    expect(await driver.update(guest, aRequest({ memoryBytes: 4 * mib }))).toEqual([
      { path: 'memory', from: String(64 * mib), to: String(4 * mib), class: 'Restart' },
    ]);
  });
});
