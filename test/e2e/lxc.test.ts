/** Real system containers: the contract of all hypervisors, and the ways a container can end, come back or hide. */
import { access, readFile, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { describeHypervisor } from '../contract/hypervisor/suite.ts';
import { containerLab, idBase } from './lxc/lab.ts';
import { containerScene, open, patience } from './lxc/scene.ts';

describeHypervisor('lxc', () => containerLab(), { patienceMs: 10_000 });

describe('a real container', () => {
  const scene = containerScene();

  const runRecord = async () => JSON.parse(await readFile(`${scene.guest.directory}/lxc/run.json`, 'utf8'));
  const rewriteRecord = async (change: (record: Record<string, unknown>) => void) => {
    const record = await runRecord();
    change(record);
    await writeFile(`${scene.guest.directory}/lxc/run.json`, JSON.stringify(record));
  };

  describe('whose monitor was killed', () => {
    beforeEach(async () => {
      await scene.start();
      process.kill(await scene.lab.pidOf(scene.guest, 'monitor'), 'SIGKILL');
      await vi.waitFor(
        async () => expect((await scene.driver.observe(scene.guest)).state).toBe('Unmanageable'),
        patience,
      );
    });

    it('runs on, is told as lost, and is never started a second time', async () => {
      const init = await scene.lab.pidOf(scene.guest, 'init');
      expect(await scene.driver.observe(scene.guest)).toMatchObject({
        state: 'Unmanageable',
        reason: 'MonitorLost',
      });
      await expect(scene.start()).rejects.toMatchObject({ reason: 'MonitorLost' });
      await expect(scene.driver.shutdown(scene.guest)).rejects.toMatchObject({ reason: 'MonitorLost' });
      expect(await scene.lab.countProcesses?.(scene.guest)).toBe(1);
      await access(`/proc/${init}`);
    });

    it('is refused by the kernel even if all our own checks failed: its group cannot be made anew', async () => {
      await expect(scene.lab.startByHand(scene.guest)).rejects.toThrow();
      expect(await scene.lab.countProcesses?.(scene.guest)).toBe(1);
    });

    it('is cleared by a kill and can then be started', async () => {
      await scene.driver.kill(scene.guest);
      expect(await scene.driver.observe(scene.guest)).toEqual({ state: 'Off' });
      await scene.start();
      expect(await scene.driver.observe(scene.guest)).toMatchObject({ state: 'Running' });
      expect(await scene.lab.countProcesses?.(scene.guest)).toBe(1);
    });

    it('has crashed when its init dies too', async () => {
      await scene.lab.crash(scene.guest);
      await vi.waitFor(async () => {
        expect(await scene.driver.observe(scene.guest)).toEqual({ state: 'Off', ended: 'Crashed' });
      }, patience);
    });
  });

  describe('that rebooted itself', () => {
    const reboot = async () => {
      const before = await scene.lab.pidOf(scene.guest, 'init');
      await scene.lab.reboot(scene.guest);
      await vi.waitFor(async () => {
        expect(await scene.driver.observe(scene.guest)).toMatchObject({ state: 'Running' });
        expect(await scene.lab.pidOf(scene.guest, 'init')).not.toBe(before);
      }, patience);
    };

    it('runs on with a new init, however often, and the next agent knows it', async () => {
      await scene.start();
      const heard: string[] = [];
      scene.driver.watch((id) => heard.push(id));
      await reboot();
      // Whoever looks knows; only who does not is told.
      await scene.lab.reboot(scene.guest);
      await vi.waitFor(() => expect(heard).toContain(scene.guest.id), patience);
      await vi.waitFor(async () => {
        expect(await scene.driver.observe(scene.guest)).toMatchObject({ state: 'Running' });
      }, patience);
      expect(await scene.lab.countProcesses?.(scene.guest)).toBe(1);
      expect(await scene.lab.driver().observe(scene.guest)).toMatchObject({ state: 'Running' });
      await vi.waitFor(async () => {
        expect(await scene.lab.inside(scene.guest, '/bin/cat', '/boots')).toBe('booted\n'.repeat(3));
      }, patience);
    });

    it('comes back while no agent is there, and is not Off on the way', async () => {
      await scene.start();
      const before = await scene.lab.pidOf(scene.guest, 'init');
      await scene.lab.reboot(scene.guest);
      await vi.waitFor(async () => expect(await scene.lab.initPids(scene.guest)).toEqual([]), patience);
      expect(await scene.lab.driver().observe(scene.guest)).toMatchObject({ state: 'Running' });
      expect(await scene.lab.initPids(scene.guest)).not.toContain(String(before));
    });

    it('is dead after a kill in the middle of its reboot', async () => {
      await scene.start();
      await scene.lab.reboot(scene.guest);
      await vi.waitFor(async () => expect(await scene.lab.initPids(scene.guest)).toEqual([]), patience);
      await scene.driver.kill(scene.guest);
      expect(await scene.lab.cgroups.members(scene.guest.id)).toEqual([]);
      expect(await scene.driver.observe(scene.guest)).toEqual({ state: 'Off' });
    });

    it('keeps the limits it was given while it ran', async () => {
      const request = await scene.start({ pidsLimit: 50 });
      await scene.driver.update(scene.guest, { ...request, pidsLimit: 90 });
      await reboot();
      expect(await scene.lab.cgroups.limits(`${scene.guest.id}/payload`)).toMatchObject({ pids: 90 });
    });
  });

  describe('whose start was interrupted', () => {
    it('is found by its group when the agent died before it wrote down the processes', async () => {
      await scene.start();
      await rewriteRecord((record) => {
        delete record.init;
        delete record.monitor;
      });
      const next = scene.lab.driver();
      expect(await next.discover()).toEqual([scene.guest.id]);
      expect(await next.observe(scene.guest)).toMatchObject({ state: 'Running' });
      expect(await runRecord()).toMatchObject({ init: { pid: expect.any(Number) } });
    });

    it('is found without any record, and not started again', async () => {
      await scene.start();
      await writeFile(`${scene.guest.directory}/lxc/run.json`, 'not json');
      const next = scene.lab.driver();
      await next.start(scene.guest, scene.lab.request, { idBase }, open);
      expect(await next.observe(scene.guest)).toMatchObject({
        state: 'Running',
        startedAt: expect.stringMatching(/Z$/),
      });
      expect(await scene.lab.countProcesses?.(scene.guest)).toBe(1);
      await next.kill(scene.guest);
      expect(await next.observe(scene.guest)).toEqual({ state: 'Off' });
    });

    it('runs once when two agents start it at the same time', async () => {
      const request = await scene.lab.requestOf(scene.guest);
      const both = [scene.lab.driver(), scene.lab.driver()].map((one) =>
        one.start(scene.guest, request, { idBase }, open),
      );
      await Promise.allSettled(both);
      expect(await scene.lab.countProcesses?.(scene.guest)).toBeLessThanOrEqual(1);
    });
  });

  describe('how it ended', () => {
    it('is HostRebooted when the record is of another boot and nothing was logged', async () => {
      await scene.start();
      process.kill(await scene.lab.pidOf(scene.guest, 'monitor'), 'SIGKILL');
      await scene.lab.crash(scene.guest);
      await rewriteRecord((record) => {
        record.bootId = 'an-earlier-boot';
      });
      await vi.waitFor(async () => {
        expect(await scene.driver.observe(scene.guest)).toEqual({ state: 'Off', ended: 'HostRebooted' });
      }, patience);
    });

    it('is no crash when a kill was interrupted after its signal', async () => {
      await scene.start();
      await rewriteRecord((record) => {
        record.killed = true;
      });
      await scene.lab.crash(scene.guest);
      await vi.waitFor(
        async () => expect(await scene.driver.observe(scene.guest)).toEqual({ state: 'Off' }),
        patience,
      );
    });
  });
});
