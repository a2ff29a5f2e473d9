/** Real system containers: the contract of all hypervisors, and the ways a container can end, hide or grow beyond its limits. */
import { access, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ContainerRequest, GuestHandle } from '../../src/drivers/hypervisor/contract.ts';
import type { LxcDriver } from '../../src/drivers/hypervisor/lxc/driver.ts';
import { describeHypervisor } from '../contract/hypervisor/suite.ts';
import type { ContainerLab } from './lxc/lab.ts';
import { containerLab, idBase } from './lxc/lab.ts';
import { makeBridge, makeHost } from './lxc/network.ts';

describeHypervisor('lxc', () => containerLab(), { patienceMs: 10_000 });

const mib = 2 ** 20;
const open = async () => {};
const patience = { timeout: 10_000, interval: 20 };

describe('a real container', () => {
  let lab: ContainerLab;
  let driver: LxcDriver;
  let guest: GuestHandle;

  beforeEach(async () => {
    lab = await containerLab();
    driver = lab.driver();
    guest = lab.guest('web');
  });
  afterEach(async () => {
    await driver.close();
    await lab.close();
  });

  const start = async (changes: Partial<ContainerRequest> = {}) => {
    const request = await lab.requestOf(guest, changes);
    await driver.start(guest, request, { idBase: request.idBase }, open);
    return request;
  };
  const runRecord = async () => JSON.parse(await readFile(`${guest.directory}/lxc/run.json`, 'utf8'));
  const rewriteRecord = async (change: (record: Record<string, unknown>) => void) => {
    const record = await runRecord();
    change(record);
    await writeFile(`${guest.directory}/lxc/run.json`, JSON.stringify(record));
  };

  describe('whose monitor was killed', () => {
    beforeEach(async () => {
      await start();
      process.kill(await lab.pidOf(guest, 'monitor'), 'SIGKILL');
      await vi.waitFor(
        async () => expect((await driver.observe(guest)).state).toBe('Unmanageable'),
        patience,
      );
    });

    it('runs on, is told as lost, and is never started a second time', async () => {
      const init = await lab.pidOf(guest, 'init');
      expect(await driver.observe(guest)).toMatchObject({ state: 'Unmanageable', reason: 'MonitorLost' });
      await expect(start()).rejects.toMatchObject({ reason: 'MonitorLost' });
      await expect(driver.shutdown(guest)).rejects.toMatchObject({ reason: 'MonitorLost' });
      expect(await lab.countProcesses?.(guest)).toBe(1);
      await access(`/proc/${init}`);
    });

    it('is refused by the kernel even if all our own checks failed: its group cannot be made anew', async () => {
      await expect(lab.startByHand(guest)).rejects.toThrow();
      expect(await lab.countProcesses?.(guest)).toBe(1);
    });

    it('is cleared by a kill and can then be started', async () => {
      await driver.kill(guest);
      expect(await driver.observe(guest)).toEqual({ state: 'Off' });
      await start();
      expect(await driver.observe(guest)).toMatchObject({ state: 'Running' });
      expect(await lab.countProcesses?.(guest)).toBe(1);
    });

    it('has crashed when its init dies too', async () => {
      await lab.crash(guest);
      await vi.waitFor(async () => {
        expect(await driver.observe(guest)).toEqual({ state: 'Off', ended: 'Crashed' });
      }, patience);
    });
  });

  describe('that rebooted itself', () => {
    const reboot = async () => {
      const before = await lab.pidOf(guest, 'init');
      await lab.inside(guest, '/bin/reboot');
      await vi.waitFor(async () => {
        expect(await driver.observe(guest)).toMatchObject({ state: 'Running' });
        expect(await lab.pidOf(guest, 'init')).not.toBe(before);
      }, patience);
    };

    it('runs on with a new init, however often, and the next agent knows it', async () => {
      await start();
      const heard: string[] = [];
      driver.watch((id) => heard.push(id));
      await reboot();
      await reboot();
      await vi.waitFor(() => expect(heard).toContain(guest.id), patience);
      expect(await lab.countProcesses?.(guest)).toBe(1);
      expect(await lab.driver().observe(guest)).toMatchObject({ state: 'Running' });
      await vi.waitFor(async () => {
        expect(await lab.inside(guest, '/bin/cat', '/boots')).toBe('booted\n'.repeat(3));
      }, patience);
    });

    it('comes back while no agent is there, and is not Off on the way', async () => {
      await start();
      const before = await lab.pidOf(guest, 'init');
      await lab.inside(guest, '/bin/reboot');
      await vi.waitFor(async () => expect(await lab.initPids(guest)).toEqual([]), patience);
      expect(await lab.driver().observe(guest)).toMatchObject({ state: 'Running' });
      expect(await lab.initPids(guest)).not.toContain(String(before));
    });

    it('is dead after a kill in the middle of its reboot', async () => {
      await start();
      await lab.inside(guest, '/bin/reboot');
      await vi.waitFor(async () => expect(await lab.initPids(guest)).toEqual([]), patience);
      await driver.kill(guest);
      expect(await lab.cgroups.members(guest.id)).toEqual([]);
      expect(await driver.observe(guest)).toEqual({ state: 'Off' });
    });

    it('keeps the limits it was given while it ran', async () => {
      const request = await start({ pidsLimit: 50 });
      await driver.update(guest, { ...request, pidsLimit: 90 });
      await reboot();
      expect(await lab.cgroups.limits(`${guest.id}/payload`)).toMatchObject({ pids: 90 });
    });
  });

  describe('whose start was interrupted', () => {
    it('is found by its group when the agent died before it wrote down the processes', async () => {
      await start();
      await rewriteRecord((record) => {
        delete record.init;
        delete record.monitor;
      });
      const next = lab.driver();
      expect(await next.discover()).toEqual([guest.id]);
      expect(await next.observe(guest)).toMatchObject({ state: 'Running' });
      expect(await runRecord()).toMatchObject({ init: { pid: expect.any(Number) } });
    });

    it('is found without any record, and not started again', async () => {
      await start();
      await writeFile(`${guest.directory}/lxc/run.json`, 'not json');
      const next = lab.driver();
      await next.start(guest, lab.request, { idBase }, open);
      expect(await next.observe(guest)).toMatchObject({
        state: 'Running',
        startedAt: expect.stringMatching(/Z$/),
      });
      expect(await lab.countProcesses?.(guest)).toBe(1);
      await next.kill(guest);
      expect(await next.observe(guest)).toEqual({ state: 'Off' });
    });

    it('runs once when two agents start it at the same time', async () => {
      const request = await lab.requestOf(guest);
      const both = [lab.driver(), lab.driver()].map((one) => one.start(guest, request, { idBase }, open));
      await Promise.allSettled(both);
      expect(await lab.countProcesses?.(guest)).toBeLessThanOrEqual(1);
    });
  });

  describe('how it ended', () => {
    it('is HostRebooted when the record is of another boot and nothing was logged', async () => {
      await start();
      process.kill(await lab.pidOf(guest, 'monitor'), 'SIGKILL');
      await lab.crash(guest);
      await rewriteRecord((record) => {
        record.bootId = 'an-earlier-boot';
      });
      await vi.waitFor(async () => {
        expect(await driver.observe(guest)).toEqual({ state: 'Off', ended: 'HostRebooted' });
      }, patience);
    });

    it('is no crash when a kill was interrupted after its signal', async () => {
      await start();
      await rewriteRecord((record) => {
        record.killed = true;
      });
      await lab.crash(guest);
      await vi.waitFor(async () => expect(await driver.observe(guest)).toEqual({ state: 'Off' }), patience);
    });
  });

  describe('limits', () => {
    const limits = { cpu: { cores: 2, limit: 0.5 }, memoryBytes: 32 * mib, pidsLimit: 20 };
    const payload = () => `${guest.id}/payload`;

    it('are in the kernel from the first instruction on', async () => {
      await start(limits);
      expect(await lab.cgroups.limits(payload())).toMatchObject({
        cpuLimit: 0.5,
        memoryBytes: 32 * mib,
        pids: 20,
      });
    });

    it('hold: more processes are refused, more memory is killed, and the container lives on', async () => {
      const request = await start(limits);
      const many = 'i=0; while [ $i -lt 30 ]; do sleep 20 > /dev/null 2>&1 & i=$((i+1)); done 2> /tmp/err';
      await lab.inside(guest, '/bin/sh', '-c', many).catch(() => '');
      expect(await readFile(`${request.rootfs.path}/tmp/err`, 'utf8')).toContain("can't fork");
      expect((await lab.cgroups.members(payload())).length).toBeLessThanOrEqual(20);
      await driver.kill(guest);
      await start(limits);
      const hog = lab.inside(guest, '/bin/dd', 'if=/dev/zero', 'of=/dev/null', 'bs=100M', 'count=1');
      await expect(hog).rejects.toThrow();
      expect(await driver.observe(guest)).toMatchObject({ state: 'Running' });
    });

    it('cannot be lifted from inside, not even by a privileged container', async () => {
      await start({ ...limits, unprivileged: false });
      await lab.inside(
        guest,
        '/bin/sh',
        '-c',
        'for f in $(find /sys/fs/cgroup -name pids.max); do echo max > $f; done; true',
      );
      expect(await lab.cgroups.limits(payload())).toMatchObject({ pids: 20 });
    });

    it('change while it runs, up and down, and can be lifted', async () => {
      const request = await start(limits);
      const init = await lab.pidOf(guest, 'init');
      for (const memoryBytes of [128 * mib, 24 * mib]) {
        expect(
          await driver.update(guest, { ...request, memoryBytes, cpu: { limit: 1.5 }, pidsLimit: 40 }),
        ).toEqual([]);
        expect(await lab.cgroups.limits(payload())).toMatchObject({ memoryBytes, cpuLimit: 1.5, pids: 40 });
      }
      const { memoryBytes: _, pidsLimit: __, ...unlimited } = request;
      expect(await driver.update(guest, { ...unlimited, cpu: {} })).toEqual([]);
      expect(await lab.cgroups.limits(payload())).toEqual({});
      expect(await lab.pidOf(guest, 'init')).toBe(init);
    });

    it('that the kernel refuses while the memory is in use wait for a restart', async () => {
      const request = await start({ memoryBytes: 64 * mib });
      const full = lab.inside(guest, '/bin/sh', '-c', 'dd if=/dev/zero bs=30M count=1 | sleep 30');
      full.catch(() => '');
      await vi.waitFor(
        async () => expect(await lab.residentBytes(guest)).toBeGreaterThan(28 * mib),
        patience,
      );
      const pending = await driver.update(guest, { ...request, memoryBytes: 4 * mib });
      expect(pending).toMatchObject([{ path: 'memory', to: String(4 * mib), class: 'Restart' }]);
      expect(await lab.residentBytes(guest)).toBeGreaterThan(28 * mib);
      expect(await driver.update(guest, request)).toEqual([]);
    });
  });

  describe('inside', () => {
    it('root is nobody on the host, and files belong to container ids on disk', async () => {
      const request = await start();
      const init = await lab.pidOf(guest, 'init');
      expect((await readFile(`/proc/${init}/uid_map`, 'utf8')).trim().split(/\s+/)).toEqual([
        '0',
        String(idBase),
        '65536',
      ]);
      expect((await stat(`/proc/${init}`)).uid).toBe(idBase);
      await lab.inside(guest, '/bin/touch', '/made-inside');
      expect((await stat(`${request.rootfs.path}/made-inside`)).uid).toBe(0);
    });

    it('system calls are filtered and the hostname is its own', async () => {
      await start();
      const status = await readFile(`/proc/${await lab.pidOf(guest, 'init')}/status`, 'utf8');
      expect(status).toMatch(/^Seccomp:\s+2$/m);
      expect((await lab.inside(guest, '/bin/hostname')).trim()).toBe('web');
    });

    it('a console answers', async () => {
      await start();
      expect(await lab.console(guest, 'echo hello-$((40+2))')).toContain('hello-42');
      expect(await readFile(`${guest.directory}/lxc/console.log`, 'utf8')).toContain('hello-42');
    });
  });

  describe('networks', () => {
    it('plug it into a bridge with its name, address and size of packets, and are gone with it', async () => {
      const bridge = await makeBridge('vlxcbr0');
      try {
        const attachment = { type: 'Veth', ifname: 'vlxct0', bridge: bridge.name } as const;
        const network = { name: 'eth0', mac: '02:00:00:00:0a:01', mtu: 1400, attachment };
        const request = await start({ networks: [network] });
        expect(await lab.inside(guest, '/bin/ip', 'addr', 'show', 'eth0')).toMatch(
          /mtu 1400[\s\S]*02:00:00:00:0a:01/,
        );
        expect(await readdir('/sys/class/net/vlxcbr0/brif')).toEqual(['vlxct0']);
        const moved = { ...request, networks: [{ ...network, mac: '02:00:00:00:0a:02' }] };
        expect(await driver.update(guest, moved)).toMatchObject([
          { path: 'networks[eth0].mac', class: 'Restart' },
        ]);
        for (let round = 0; round < 3; round += 1) {
          await driver.kill(guest);
          await start({ networks: [network] });
        }
        process.kill(await lab.pidOf(guest, 'monitor'), 'SIGKILL');
        await driver.kill(guest);
        await start({ networks: [network] });
        await driver.kill(guest);
        await vi.waitFor(
          async () => expect(await readdir('/sys/class/net/vlxcbr0/brif')).toEqual([]),
          patience,
        );
      } finally {
        await bridge.remove();
      }
    });

    it('of two hosts on one machine keep containers of equal names apart', async () => {
      const [east, west] = [await makeHost('vlxce'), await makeHost('vlxcw')];
      const [left, right] = [await containerLab({ inHost: east }), await containerLab({ inHost: west })];
      try {
        const twins = [left, right].map((one) => ({ one, driver: one.driver(), guest: one.guest('web') }));
        for (const { one, driver: host, guest: twin } of twins) {
          const request = await one.requestOf(twin, {
            networks: [
              {
                name: 'eth0',
                mac: '02:00:00:00:0a:01',
                attachment: { type: 'Veth', ifname: 'vlxct0', bridge: 'vmbr0' },
              },
            ],
          });
          await host.start(twin, request, { idBase }, open);
        }
        for (const { driver: host, guest: twin } of twins) {
          expect(await host.observe(twin)).toMatchObject({ state: 'Running' });
          expect(await host.discover()).toEqual([twin.id]);
        }
        const [first, second] = twins;
        await first?.driver.shutdown(first.guest);
        await vi.waitFor(async () => {
          expect(await first?.driver.observe(first.guest)).toEqual({ state: 'Off', ended: 'PoweredOff' });
        }, patience);
        expect(await second?.driver.observe(second.guest)).toMatchObject({ state: 'Running' });
      } finally {
        await left.close();
        await right.close();
        await east.remove();
        await west.remove();
      }
    });
  });

  describe('that cannot start', () => {
    const veth = (bridge: string) => [
      {
        name: 'eth0',
        mac: '02:00:00:00:0a:01',
        attachment: { type: 'Veth', ifname: 'vlxct1', bridge } as const,
      },
    ];

    it('names the bridge that is missing', async () => {
      await expect(start({ networks: veth('nosuchbr0') })).rejects.toMatchObject({
        reason: 'BridgeMissing',
        message: expect.stringContaining('nosuchbr0'),
      });
      expect(await driver.observe(guest)).toEqual({ state: 'Off' });
      expect(await lab.cgroups.list()).toEqual([]);
    });

    it('names the missing root file system, the missing init, the id range and the limit', async () => {
      const missing = { type: 'Directory', path: '/nowhere/rootfs', shift: 'Idmapped' } as const;
      await expect(start({ rootfs: missing })).rejects.toMatchObject({ reason: 'RootfsMissing' });
      await expect(start({ rootfs: { ...missing, path: lab.emptyRootfs } })).rejects.toMatchObject({
        reason: 'InitMissing',
        stalled: true,
      });
      const foreign = { ...(await lab.requestOf(guest)), idBase: 900_000_000 };
      await expect(driver.start(guest, foreign, { idBase: 900_000_000 }, open)).rejects.toMatchObject({
        reason: 'IdRangeNotAllowed',
      });
      await expect(start({ memoryBytes: 4096 })).rejects.toMatchObject({
        reason: expect.stringMatching(/LimitRefused|KilledWhileStarting/),
      });
      expect(await driver.observe(guest)).toEqual({ state: 'Off' });
    });
  });

  it('leaves nothing behind once it is removed', async () => {
    const before = await lab.traces();
    await start({ memoryBytes: 64 * mib });
    expect(await lab.traces()).not.toEqual(before);
    await driver.kill(guest);
    await driver.remove(guest);
    expect(await lab.traces()).toEqual(before);
    expect(await readdir(guest.directory)).toEqual([]);
  });
});
