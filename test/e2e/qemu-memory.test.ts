/** The memory of machines of a real QEMU: kept at one moment with their disks, and gone on from, by what a guest has in its memory. */
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GuestHandle, MachineRequest } from '../../src/drivers/hypervisor/contract.ts';
import type { QemuDriver } from '../../src/drivers/hypervisor/qemu/driver.ts';
import { diskId } from '../../src/drivers/hypervisor/qemu/plan/ids.ts';
import { connectQmp } from '../../src/drivers/hypervisor/qemu/qmp.ts';
import { machineSockets } from '../../src/drivers/hypervisor/qemu/sockets.ts';
import { bootableDisk, busyDisk } from '../contract/hypervisor/bootSector.ts';
import { createQemuLab, type QemuLab } from '../contract/hypervisor/qemuLab.ts';
import { must, until } from './harness/commands.ts';

const MIB = 2 ** 20;
const signal = new AbortController().signal;

describe('the memory of a machine', () => {
  let lab: QemuLab;
  let driver: QemuDriver;
  let guest: GuestHandle;
  let request: MachineRequest;
  const data = () => join(lab.directory, 'data.qcow2');
  const hardware = async () => driver.resolve(request, undefined, await driver.facts());
  const state = async () => (await driver.observe(guest)).state;
  const ask = async (line: string) => {
    const monitor = await connectQmp(lab.world, machineSockets(lab.runDirectory, guest.id).qmp2, 5_000);
    const said = await monitor.execute('human-monitor-command', { 'command-line': line });
    monitor.close();
    return String(said).trim();
  };
  /** A word that the busy guest counts up, all the time. */
  const word = () => ask('xp /1wx 0x200000');
  const disk = (what: string) =>
    ask(`qemu-io -d /machine/peripheral/${diskId('data')}/virtio-backend "${what}"`);
  const files = (name: string) => must(['find', guest.directory, '-path', `*/memory/*${name}*`]);

  const begin = async (boots: Uint8Array, memoryBytes: number) => {
    const [first] = lab.request.disks;
    if (first === undefined) throw new Error('the lab has a disk');
    await writeFile(join(lab.directory, 'web.raw'), boots);
    await must(['qemu-img', 'create', '-q', '-f', 'qcow2', data(), '64M']);
    const volume = { type: 'File', path: data(), format: 'qcow2' } as const;
    const second = { ...first, name: 'data', sizeBytes: 64 * MIB, volume };
    request = { ...lab.request, memoryBytes, disks: [first, second] };
    await driver.start(guest, request, await hardware(), async () => {});
  };
  const keep = async (name: string) => {
    await driver.memory.gather(guest, name, { signal });
    const held = await word();
    await driver.snapshots.take(guest, name, ['data']);
    const { stillMs } = await driver.memory.release(guest, name);
    expect(await state()).toBe('Running');
    return { held, stillMs, bytes: await driver.memory.keep(guest, name) };
  };

  beforeEach(async () => {
    lab = await createQemuLab();
    driver = lab.driver();
    guest = lab.guest('web');
  }, 60_000);
  afterEach(() => lab.close());

  it('is that of one moment with the disks, though the guest never stops changing it, and is gone on from', async () => {
    await begin(busyDisk(MIB), 64 * MIB);
    await until('the guest is at work', async () => (await word()) !== '0000000000200000: 0x00000000');
    await disk('write -P 1 0 64k');
    const { held, bytes } = await keep('first');
    expect(bytes).toBeGreaterThan(8 * MIB);
    await until('it goes on', async () => (await word()) !== held);
    await disk('write -P 2 0 64k');
    await driver.kill(guest);
    await must(['qemu-img', 'snapshot', '-a', 'first', data()]);

    const kept = await driver.memory.find(guest, 'first');
    if (kept === undefined) throw new Error('it was not kept');
    expect(kept.request).toEqual(request);
    await driver.memory.wake(guest, 'first', kept, async () => {
      expect(await word()).toBe(held);
      expect(await state()).toBe('Prelaunch');
    });
    expect(await state()).toBe('Running');
    await until('it counts on', async () => (await word()) !== held);
    expect(await disk('read -P 1 0 64k')).not.toContain('failed');
    // One that has run is no half-made start when it is paused.
    await driver.pause(guest);
    expect(await state()).toBe('Paused');
    await driver.resume(guest);
    await driver.memory.remove(guest, 'first');
    expect(await driver.memory.find(guest, 'first')).toBeUndefined();
    expect(await files('first')).toBe('');
  }, 120_000);

  it('takes no mark of what changed away', async () => {
    await begin(bootableDisk(MIB), 64 * MIB);
    const copy = async (mark: string, since: string[]) => {
      const path = join(lab.directory, `${mark}.qcow2`);
      await must(['qemu-img', 'create', '-q', '-f', 'qcow2', path, '64M']);
      const wanted = [{ name: 'data', path, compress: false, mark, since }];
      const begun = await driver.snapshots.copies.begin(guest, wanted);
      await until('it is copied', async () => (await driver.snapshots.copies.progress(guest)).done);
      await driver.snapshots.copies.end(guest);
      return begun[0]?.since;
    };
    await copy('a', []);
    await disk('write -P 1 0 64k');
    await keep('first');
    await disk('write -P 2 1M 64k');
    expect(await copy('b', ['a'])).toBe('a');
  }, 120_000);

  it('is not kept when the agent goes away before or after the moment, and the guest runs on', async () => {
    await begin(busyDisk(MIB), 64 * MIB);
    const gone = new AbortController();
    await driver.memory.gather(guest, 'first', { signal: gone.signal });
    expect(await ask('info status')).toContain('finish-migrate');
    gone.abort();
    await driver.close();
    driver = lab.driver();
    await driver.memory.letGo(guest);
    const before = await word();
    await until('it goes on', async () => (await word()) !== before);
    expect(await driver.memory.find(guest, 'first')).toBeUndefined();
    await driver.memory.remove(guest, 'first');
    expect(await files('first')).toBe('');
    // And once more, from the beginning.
    await keep('second');
    await driver.memory.letGo(guest);
    expect(await state()).toBe('Running');
  }, 120_000);

  it('that cannot be read is said, nothing is left of the try, and one that is forbidden has not run', async () => {
    await begin(bootableDisk(MIB), 64 * MIB);
    await keep('first');
    const kept = await driver.memory.find(guest, 'first');
    if (kept === undefined) throw new Error('it was not kept');
    await driver.kill(guest);
    const forbid = () => Promise.reject(new Error('not today'));
    await expect(driver.memory.wake(guest, 'first', kept, forbid)).rejects.toThrow('not today');
    expect(await state()).toBe('Off');
    const file = join(guest.directory, 'memory/first/state');
    // How long it is depends on how far the machine has come.
    await must(['truncate', '-s', String(Math.floor((await stat(file)).size / 2)), file]);
    const broken = driver.memory.wake(guest, 'first', kept, async () => {});
    await expect(broken).rejects.toMatchObject({ reason: 'MemoryUnfit' });
    expect(await driver.observe(guest)).toEqual({ state: 'Off' });
    await driver.start(guest, request, await hardware(), async () => {});
    expect(await state()).toBe('Running');
  }, 120_000);
});
