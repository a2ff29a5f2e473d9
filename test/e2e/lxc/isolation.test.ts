/** What a real container sees, what it is plugged into, why it may not start, and that nothing of it stays. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { containerLab, idBase } from './lab.ts';
import { makeBridge, makeHost } from './network.ts';
import { containerScene, mib, open, patience } from './scene.ts';

describe('a real container', () => {
  const scene = containerScene();

  describe('inside', () => {
    it('root is nobody on the host, and files belong to container ids on disk', async () => {
      const request = await scene.start();
      const init = await scene.lab.pidOf(scene.guest, 'init');
      expect((await readFile(`/proc/${init}/uid_map`, 'utf8')).trim().split(/\s+/)).toEqual([
        '0',
        String(idBase),
        '65536',
      ]);
      expect((await stat(`/proc/${init}`)).uid).toBe(idBase);
      await scene.lab.inside(scene.guest, '/bin/touch', '/made-inside');
      expect((await stat(`${request.rootfs.path}/made-inside`)).uid).toBe(0);
    });

    it('system calls are filtered and the hostname is its own', async () => {
      await scene.start();
      const status = await readFile(`/proc/${await scene.lab.pidOf(scene.guest, 'init')}/status`, 'utf8');
      expect(status).toMatch(/^Seccomp:\s+2$/m);
      expect((await scene.lab.inside(scene.guest, '/bin/hostname')).trim()).toBe('web');
    });

    it('a console answers', async () => {
      await scene.start();
      expect(await scene.lab.console(scene.guest, 'echo hello-$((40+2))')).toContain('hello-42');
      expect(await readFile(`${scene.guest.directory}/lxc/console.log`, 'utf8')).toContain('hello-42');
    });
  });

  describe('networks', () => {
    it('plug it into a bridge with its name, address and size of packets, and are gone with it', async () => {
      const bridge = await makeBridge('vlxcbr0');
      try {
        const attachment = { type: 'Veth', ifname: 'vlxct0', bridge: bridge.name } as const;
        const network = { name: 'eth0', mac: '02:00:00:00:0a:01', mtu: 1400, attachment };
        const request = await scene.start({ networks: [network] });
        expect(await scene.lab.inside(scene.guest, '/bin/ip', 'addr', 'show', 'eth0')).toMatch(
          /mtu 1400[\s\S]*02:00:00:00:0a:01/,
        );
        expect(await readdir('/sys/class/net/vlxcbr0/brif')).toEqual(['vlxct0']);
        const moved = { ...request, networks: [{ ...network, mac: '02:00:00:00:0a:02' }] };
        expect(await scene.driver.update(scene.guest, moved)).toMatchObject([
          { path: 'networks[eth0].mac', class: 'Restart' },
        ]);
        for (let round = 0; round < 3; round += 1) {
          await scene.driver.kill(scene.guest);
          await scene.start({ networks: [network] });
        }
        process.kill(await scene.lab.pidOf(scene.guest, 'monitor'), 'SIGKILL');
        await scene.driver.kill(scene.guest);
        await scene.start({ networks: [network] });
        await scene.driver.kill(scene.guest);
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
      await expect(scene.start({ networks: veth('nosuchbr0') })).rejects.toMatchObject({
        reason: 'BridgeMissing',
        message: expect.stringContaining('nosuchbr0'),
      });
      expect(await scene.driver.observe(scene.guest)).toEqual({ state: 'Off' });
      expect(await scene.lab.cgroups.list()).toEqual([]);
    });

    it('names the missing root file system, the missing init and the limit', async () => {
      const missing = { type: 'Directory', path: '/nowhere/rootfs', shift: 'Idmapped' } as const;
      await expect(scene.start({ rootfs: missing })).rejects.toMatchObject({ reason: 'RootfsMissing' });
      await expect(
        scene.start({ rootfs: { ...missing, path: scene.lab.emptyRootfs } }),
      ).rejects.toMatchObject({
        reason: 'InitMissing',
        stalled: true,
      });
      await expect(scene.start({ memoryBytes: 4096 })).rejects.toMatchObject({
        reason: expect.stringMatching(/LimitRefused|KilledWhileStarting/),
      });
      expect(await scene.driver.observe(scene.guest)).toEqual({ state: 'Off' });
    });
  });

  it('leaves nothing behind once it is removed', async () => {
    const before = await scene.lab.traces();
    await scene.start({ memoryBytes: 64 * mib });
    expect(await scene.lab.traces()).not.toEqual(before);
    await scene.driver.kill(scene.guest);
    await scene.driver.remove(scene.guest);
    expect(await scene.lab.traces()).toEqual(before);
    expect(await readdir(scene.guest.directory)).toEqual([]);
  });
});
