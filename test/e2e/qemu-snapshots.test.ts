/** Snapshots inside the qcow2 files of a real QEMU that has them open: taken together, removed, and found by qemu-img. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GuestHandle, MachineRequest } from '../../src/drivers/hypervisor/contract.ts';
import type { QemuDriver } from '../../src/drivers/hypervisor/qemu/driver.ts';
import { createQemuLab, type QemuLab } from '../contract/hypervisor/qemuLab.ts';
import { must } from './harness/commands.ts';

describe('a machine with two qcow2 disks under QEMU', () => {
  let lab: QemuLab;
  let driver: QemuDriver;
  let guest: GuestHandle;
  const names = ['one', 'a-disk-with-a-name-of-32-letters'];
  const path = (name: string) => join(lab.directory, `${name}.qcow2`);
  const kept = async (name: string) => {
    const info = JSON.parse(await must(['qemu-img', 'info', '-U', '--output=json', path(name)])) as {
      snapshots?: { name: string }[];
    };
    return (info.snapshots ?? []).map((snapshot) => snapshot.name);
  };

  beforeEach(async () => {
    lab = await createQemuLab();
    driver = lab.driver();
    guest = lab.guest('web');
    const [first] = lab.request.disks;
    if (first === undefined) throw new Error('the lab has a disk');
    for (const name of names) await must(['qemu-img', 'create', '-q', '-f', 'qcow2', path(name), '64M']);
    const disks = names.map((name) => ({
      ...first,
      name,
      sizeBytes: 64 * 2 ** 20,
      volume: { type: 'File' as const, path: path(name), format: 'qcow2' as const },
    }));
    const request: MachineRequest = { ...lab.request, disks: [first, ...disks] };
    await driver.start(
      guest,
      request,
      driver.resolve(request, undefined, await driver.facts()),
      async () => {},
    );
  }, 60_000);
  afterEach(() => lab.close());

  it('stands still, is snapshotted, and goes on; any snapshot can be removed while it runs', async () => {
    await driver.pause(guest);
    await driver.snapshots.take(guest, 'snap-1', names);
    await driver.resume(guest);
    await driver.snapshots.take(guest, 'snap-2', names);
    for (const name of names) expect(await kept(name)).toEqual(['snap-1', 'snap-2']);
    for (let time = 0; time < 2; time += 1) await driver.snapshots.remove(guest, 'snap-1', names);
    for (const name of names) expect(await kept(name)).toEqual(['snap-2']);
    expect((await driver.observe(guest)).state).toBe('Running');
    await driver.kill(guest);
    for (const name of names) await must(['qemu-img', 'check', '-q', path(name)]);
  });

  it('takes all of them or none', async () => {
    await expect(driver.snapshots.take(guest, 'snap-1', [...names, 'missing'])).rejects.toMatchObject({
      reason: 'SnapshotFailed',
    });
    for (const name of names) expect(await kept(name)).toEqual([]);
  });

  it('has no agent that freezes, and that is no error', async () => {
    expect(await driver.snapshots.freeze(guest, { timeoutMs: 2_000 })).toBe(false);
    await driver.snapshots.thaw(guest);
  });
});
