/** What a real container may use, held by the kernel from its first instruction on and changed while it runs. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { containerScene, mib, patience } from './scene.ts';

describe('limits of a real container', () => {
  const scene = containerScene();
  const limits = { cpu: { cores: 2, limit: 0.5 }, memoryBytes: 32 * mib, pidsLimit: 20 };
  const payload = () => `${scene.guest.id}/payload`;

  it('are in the kernel from the first instruction on', async () => {
    await scene.start(limits);
    expect(await scene.lab.cgroups.limits(payload())).toMatchObject({
      cpuLimit: 0.5,
      memoryBytes: 32 * mib,
      pids: 20,
    });
  });

  it('hold: more processes are refused, more memory is killed, and the container lives on', async () => {
    const request = await scene.start(limits);
    const many = 'i=0; while [ $i -lt 30 ]; do sleep 20 > /dev/null 2>&1 & i=$((i+1)); done 2> /tmp/err';
    await scene.lab.inside(scene.guest, '/bin/sh', '-c', many).catch(() => '');
    expect(await readFile(`${request.rootfs.path}/tmp/err`, 'utf8')).toContain("can't fork");
    expect((await scene.lab.cgroups.members(payload())).length).toBeLessThanOrEqual(20);
    await scene.driver.kill(scene.guest);
    await scene.start(limits);
    const hog = scene.lab.inside(
      scene.guest,
      '/bin/dd',
      'if=/dev/zero',
      'of=/dev/null',
      'bs=100M',
      'count=1',
    );
    await expect(hog).rejects.toThrow();
    expect(await scene.driver.observe(scene.guest)).toMatchObject({ state: 'Running' });
  });

  it('cannot be lifted from inside, not even by a privileged container', async () => {
    await scene.start({ ...limits, unprivileged: false });
    await scene.lab.inside(
      scene.guest,
      '/bin/sh',
      '-c',
      'for f in $(find /sys/fs/cgroup -name pids.max); do echo max > $f; done; true',
    );
    expect(await scene.lab.cgroups.limits(payload())).toMatchObject({ pids: 20 });
  });

  it('change while it runs, up and down, and can be lifted', async () => {
    const request = await scene.start(limits);
    const init = await scene.lab.pidOf(scene.guest, 'init');
    for (const memoryBytes of [128 * mib, 24 * mib]) {
      expect(
        await scene.driver.update(scene.guest, {
          ...request,
          memoryBytes,
          cpu: { limit: 1.5 },
          pidsLimit: 40,
        }),
      ).toEqual([]);
      expect(await scene.lab.cgroups.limits(payload())).toMatchObject({
        memoryBytes,
        cpuLimit: 1.5,
        pids: 40,
      });
    }
    const { memoryBytes: _, pidsLimit: __, ...unlimited } = request;
    expect(await scene.driver.update(scene.guest, { ...unlimited, cpu: {} })).toEqual([]);
    expect(await scene.lab.cgroups.limits(payload())).toEqual({});
    expect(await scene.lab.pidOf(scene.guest, 'init')).toBe(init);
  });

  it('that the kernel refuses while the memory is in use wait for a restart', async () => {
    const request = await scene.start({ memoryBytes: 64 * mib });
    const full = scene.lab.inside(scene.guest, '/bin/sh', '-c', 'dd if=/dev/zero bs=30M count=1 | sleep 30');
    full.catch(() => '');
    await vi.waitFor(
      async () => expect(await scene.lab.residentBytes(scene.guest)).toBeGreaterThan(28 * mib),
      patience,
    );
    const pending = await scene.driver.update(scene.guest, { ...request, memoryBytes: 4 * mib });
    expect(pending).toMatchObject([{ path: 'memory', to: String(4 * mib), class: 'Restart' }]);
    expect(await scene.lab.residentBytes(scene.guest)).toBeGreaterThan(28 * mib);
    expect(await scene.driver.update(scene.guest, request)).toEqual([]);
  });
});
