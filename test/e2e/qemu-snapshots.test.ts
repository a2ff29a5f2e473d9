/** Snapshots inside the qcow2 files of a real QEMU that has them open: taken together, removed, and found by qemu-img. */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GuestHandle, MachineRequest } from '../../src/drivers/hypervisor/contract.ts';
import type { QemuDriver } from '../../src/drivers/hypervisor/qemu/driver.ts';
import { diskId } from '../../src/drivers/hypervisor/qemu/plan/ids.ts';
import { connectQmp } from '../../src/drivers/hypervisor/qemu/qmp.ts';
import { machineSockets } from '../../src/drivers/hypervisor/qemu/sockets.ts';
import { writingDisk } from '../contract/hypervisor/bootSector.ts';
import { createQemuLab, type QemuLab } from '../contract/hypervisor/qemuLab.ts';
import { must, until } from './harness/commands.ts';

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

describe('copies of what changed since others', () => {
  let lab: QemuLab;
  let driver: QemuDriver;
  let guest: GuestHandle;
  let request: MachineRequest;
  const disks = { data: 'qcow2', flat: 'raw' } as const;
  const names = Object.keys(disks) as (keyof typeof disks)[];
  const path = (name: keyof typeof disks) => join(lab.directory, `${name}.${disks[name]}`);
  const copyOf = (name: string, mark: string) => join(lab.directory, `${name}-${mark}.qcow2`);
  const start = async () => {
    const hardware = driver.resolve(request, undefined, await driver.facts());
    await driver.start(guest, request, hardware, async () => {});
  };

  /** Copies both disks, marked from here on; by the name of each what it was copied since, or why not. */
  const copy = async (mark: string, ...since: string[]) => {
    const wanted = [];
    for (const name of names) {
      await must(['qemu-img', 'create', '-q', '-f', 'qcow2', copyOf(name, mark), '64M']);
      wanted.push({ name, path: copyOf(name, mark), compress: true, mark, since });
    }
    const { copies } = driver.snapshots;
    const begun = await copies.begin(guest, wanted);
    await until('it is copied', async () => (await copies.progress(guest)).done);
    await copies.end(guest);
    return begun.map(({ since: by, lost }) => by ?? lost);
  };
  /** Through the device of the machine, as its guest would. */
  const write = async (what: string) => {
    const monitor = await connectQmp(lab.world, machineSockets(lab.runDirectory, guest.id).qmp2, 5_000);
    for (const name of names) {
      const line = `qemu-io -d /machine/peripheral/${diskId(name)}/virtio-backend "${what}"`;
      const said = await monitor.execute('human-monitor-command', { 'command-line': line });
      expect(said).toBe('');
    }
    monitor.close();
  };
  /** The disk is what the copies say that lie over each other, newest first; what was copied takes no more than this. */
  const isCopied = async (name: keyof typeof disks, marks: readonly string[], atMostKib: number) => {
    const node = marks.reduceRight<object | null>(
      (backing, mark) => ({
        ...{ driver: 'qcow2', backing },
        file: { driver: 'file', filename: copyOf(name, mark) },
      }),
      null,
    );
    await write('flush');
    await must(['qemu-img', 'compare', '-U', `json:${JSON.stringify(node)}`, path(name)]);
    const [newest = ''] = marks;
    expect(Number(await must(['stat', '-c', '%s', copyOf(name, newest)]))).toBeLessThan(atMostKib * 1024);
  };

  beforeEach(async () => {
    lab = await createQemuLab();
    driver = lab.driver();
    guest = lab.guest('web');
    const [first] = lab.request.disks;
    if (first === undefined) throw new Error('the lab has a disk');
    for (const name of names) {
      await must(['qemu-img', 'create', '-q', '-f', disks[name], path(name), '64M']);
      await must(['qemu-io', '-f', disks[name], '-c', 'write -P 7 0 16M', path(name)]);
    }
    const more = names.map((name) => ({
      ...{ ...first, name, sizeBytes: 64 * 2 ** 20 },
      volume: { type: 'File' as const, path: path(name), format: disks[name] },
    }));
    request = { ...lab.request, disks: [first, ...more] };
    await start();
  }, 60_000);
  afterEach(() => lab.close());

  it('hold that and no more, what became zero too, and forget nothing that was written while others were made', async () => {
    expect(await copy('a')).toEqual([undefined, undefined]);
    await write('write -P 1 1M 64k');
    await write('write -z 2M 64k');
    await write('write -P 2 40M 512');
    expect(await copy('b', 'gone', 'a')).toEqual(['a', 'a']);
    for (const name of names) {
      await isCopied(name, ['b', 'a'], 600);
      await expect(isCopied(name, ['a'], 65_536)).rejects.toThrow('Content mismatch');
    }
    await write('write -P 3 1M 64k');
    // One that nobody showed: it leaves no mark, and the next goes by the one before.
    await copy('lost', 'b');
    await driver.snapshots.copies.keepMarks(guest, ['b']);
    await write('write -P 4 3M 64k');
    expect(await copy('c', 'lost', 'b', 'a')).toEqual(['b', 'b']);
    for (const name of names) await isCopied(name, ['c', 'b', 'a'], 600);
  });

  it('are of everything where the marks are lost: of raw disks with each end, of others with one that is none in order', async () => {
    await copy('a');
    await driver.kill(guest);
    await start();
    await write('write -P 1 1M 64k');
    expect(await copy('b', 'a')).toEqual(['a', 'Gone']);
    await isCopied('data', ['b', 'a'], 600);
    await isCopied('flat', ['b'], 65_536);
    await driver.snapshots.copies.keepMarks(guest, ['b']);
    await driver.kill(guest);
    await start();
    await lab.crash(guest);
    await start();
    await write('write -P 2 1M 64k');
    expect(await copy('c', 'b')).toEqual(['Half', 'Gone']);
    for (const name of names) await isCopied(name, ['c'], 65_536);
    // What was left half-way goes with the next, and until then keeps no disk from growing.
    const grown = request.disks.map((disk) => ({ ...disk, sizeBytes: 96 * 2 ** 20 }));
    await driver.update(guest, { ...request, disks: [...request.disks.slice(0, 1), ...grown.slice(1)] });
    const info = await must(['qemu-img', 'info', '-U', path('data')]);
    expect(info).toMatch(/virtual size: 96 MiB/);
  });
});

describe('a copy whose target takes nothing', () => {
  /** The table of its reference counts leads nowhere: QEMU cannot write a cluster to it. */
  const makeBroken = async (path: string) => {
    await must(['qemu-img', 'create', '-q', '-f', 'qcow2', path, '64M']);
    const file = await open(path, 'r+');
    const header = Buffer.alloc(8);
    await file.read(header, 0, 8, 48);
    await file.write(Buffer.from('0000000000010200', 'hex'), 0, 8, Number(header.readBigUInt64BE()));
    await file.close();
  };

  it('costs its machine no write: it stands still with the one that waits for the copy, and makes it when that has ended', async () => {
    const lab = await createQemuLab();
    try {
      const [disk] = lab.request.disks;
      if (disk === undefined) throw new Error('the lab has a disk');
      const path = join(lab.directory, 'writing.raw');
      await writeFile(path, writingDisk());
      const volume = { type: 'File' as const, path, format: 'raw' as const };
      const request = { ...lab.request, disks: [{ ...disk, sizeBytes: 64 * 2 ** 20, volume }] };
      const driver = lab.driver();
      const guest = lab.guest('web');
      const hardware = driver.resolve(request, undefined, await driver.facts());
      await driver.start(guest, request, hardware, async () => {});
      const serial = await lab.world.sockets.connectUnix(driver.sockets(guest).serial);
      let written = '';
      serial.on('data', (data) => {
        written += String(data).replaceAll(/[^.E]/g, '');
      });
      await until('it writes', async () => written.length > 5);
      const target = join(lab.directory, 'broken.qcow2');
      await makeBroken(target);
      const { copies } = driver.snapshots;
      // So slowly that it is the machine that meets the target.
      const [{ name }] = request.disks as [typeof disk];
      await copies.begin(guest, [{ name, path: target, compress: false, bytesPerSecond: 65_536 }]);
      await until('it stands still', async () => {
        const seen = await driver.observe(guest);
        return seen.state === 'Paused' && seen.storageFailed === true;
      });
      await copies.end(guest);
      await driver.resume(guest);
      const then = written.length;
      await until('it writes on', async () => written.length > then + 5);
      expect(written).toMatch(/^\.+$/);
      serial.destroy();
    } finally {
      await lab.close();
    }
  });
});
