/** What a keeper does to a guest, it does to the programs that work on its volumes too. */
import { describe, expect, it } from 'vitest';
import { createCgroups } from '../../../../src/drivers/cgroup/cgroups.ts';
import { guestsPort } from '../../../../src/main/keeper/ports.ts';
import { fakeKernel, v1Mounts, v2Mounts } from '../../drivers/cgroup/kernel.ts';

describe.each([
  ['version 1', v1Mounts],
  ['version 2', v2Mounts],
])('with control groups of %s', (_, mounts) => {
  /** Guest `abc` has process 20, and program 30 works on its volumes in the first term; guest `xyz` has neither. */
  async function host() {
    const kernel = fakeKernel(mounts);
    const cgroups = await createCgroups({ world: kernel, root: 'vireo/h1' });
    const guests = guestsPort(cgroups, async () => {});
    await cgroups.create('abc');
    kernel.spawn(20);
    await cgroups.enter('abc', 20);
    await guests.admit('abc', 1);
    const door = cgroups.door('jobs/abc/1').at(-1) ?? '';
    const begin = async (pid: number) => {
      kernel.spawn(pid);
      await kernel.files.writeInPlace(door, String(pid));
    };
    await begin(30);
    const isFrozen = () => Promise.all(['abc', 'jobs/abc'].map((group) => cgroups.isFrozen(group)));
    return { kernel, guests, begin, door, isFrozen };
  }

  it('programs stand still and go on with the guest', async () => {
    const { guests, isFrozen } = await host();
    await guests.freeze('abc');
    expect(await isFrozen()).toEqual([true, true]);
    await guests.thaw('abc');
    expect(await isFrozen()).toEqual([false, false]);
  });

  it('are dead when the guest is, though it had no process of its own', async () => {
    const { kernel, guests, isFrozen } = await host();
    kernel.end(20);
    await guests.freeze('abc');
    expect(await isFrozen()).toEqual([false, true]);
    await guests.kill('abc');
    expect(kernel.alive(30)).toBe(false);
  });

  it('find no group to join after a kill, in the next term neither', async () => {
    const { guests, begin, kernel, door } = await host();
    await guests.kill('abc');
    expect(await kernel.files.stat(door)).toBeUndefined();
    await expect(begin(31)).rejects.toThrow();
    await guests.admit('abc', 2);
    await expect(begin(32)).rejects.toThrow();
  });

  it('of a term that was over before it was told are dismissed, and no others', async () => {
    const { guests, kernel } = await host();
    await guests.admit('abc', 2);
    await guests.dismiss('abc', 1);
    expect([kernel.alive(20), kernel.alive(30)]).toEqual([true, false]);
    await guests.kill('xyz');
  });
});
