/** Machines that move between two QEMU drivers, as between two hosts: real QEMU, real sockets, disks that are compared afterwards. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type {
  GuestHandle,
  HypervisorFacts,
  MachineRequest,
  ReceiveOptions,
  SendOptions,
  TransferPlace,
} from '../../src/drivers/hypervisor/contract.ts';
import { createQemuDriver } from '../../src/drivers/hypervisor/qemu/driver.ts';
import { diskId } from '../../src/drivers/hypervisor/qemu/plan/ids.ts';
import { connectQmp } from '../../src/drivers/hypervisor/qemu/qmp.ts';
import { bootableDisk, busyDisk, busyEnd } from '../contract/hypervisor/bootSector.ts';
import { createQemuLab, machineRequest } from '../contract/hypervisor/qemuLab.ts';
import { makeCertificates } from './harness/certificates.ts';

const patience = { timeout: 30_000, interval: 20 };
const MIB = 1024 ** 2;
const DISK = 64 * MIB;
const open = async () => {};

let facts: HypervisorFacts;

beforeAll(async () => {
  const lab = await createQemuLab();
  facts = await lab.driver().facts();
  await lab.close();
});

/** A host with the one driver that an agent has; `restarted` is the next agent's. */
async function host(name: string) {
  const lab = await createQemuLab({ facts, host: name });
  let driver = lab.driver();
  return {
    lab,
    directory: lab.directory,
    driver: () => driver,
    restarted: async () => {
      await driver.close();
      driver = lab.driver();
      return driver;
    },
    /** Kills what runs of any guest here. */
    killQemu: async (guest: GuestHandle) => {
      for (const pid of await lab.pids(guest)) {
        const line = await readFile(`/proc/${pid}/cmdline`, 'utf8');
        if (line.includes(lab.runDirectory)) process.kill(pid, 'SIGKILL');
      }
    },
    close: async () => {
      await driver.close();
      await lab.close();
    },
  };
}

type Host = Awaited<ReturnType<typeof host>>;

/** One guest, its source running and its target empty. */
async function scene(shared: boolean, make = bootableDisk, memoryBytes = 64 * MIB) {
  const [a, b] = await Promise.all([host('a'), host('b')]);
  const guest = a.lab.guest('web');
  const arrival: GuestHandle = { ...guest, directory: join(b.directory, 'guests', 'web') };
  const disk = join(a.directory, 'root.raw');
  await writeFile(disk, make(DISK));
  const copy = shared ? disk : join(b.directory, 'root.raw');
  if (!shared) await writeFile(copy, Buffer.alloc(DISK));
  const request: MachineRequest = { ...shaped(machineRequest(disk)), memoryBytes };
  const arriving: MachineRequest = { ...shaped(machineRequest(copy)), memoryBytes };
  const source = a.driver();
  const hardware = source.resolve(request, undefined, facts);
  await source.start(guest, request, hardware, open);
  return { a, b, guest, arrival, request, arriving, hardware, disk, copy };
}

const shaped = (request: MachineRequest): MachineRequest => ({
  ...request,
  disks: request.disks.map((disk) => ({ ...disk, sizeBytes: DISK })),
});

type Scene = Awaited<ReturnType<typeof scene>>;

const receiving = (shared: boolean, tls?: ReceiveOptions['tls']): ReceiveOptions => ({
  id: 'move-1',
  address: '127.0.0.1',
  disks: shared ? [] : ['root'],
  ...(tls === undefined ? {} : { tls }),
});

const sending = (more: Partial<SendOptions> = {}): SendOptions => ({
  id: 'move-1',
  downtimeMs: 300,
  autoConverge: true,
  channels: 1,
  compression: 'None',
  postCopy: false,
  ...more,
});

/** A write of the guest's: 64 KiB of one byte. */
async function write({ lab }: Host, guest: GuestHandle, byte: number, offsetKib: number): Promise<void> {
  const monitor = await connectQmp(lab.world, `${lab.runDirectory}/${guest.id}/q2`, 5_000);
  const command = `qemu-io -d /machine/peripheral/${diskId('root')}/virtio-backend "write -P ${byte} ${offsetKib}k 64k"`;
  const said = await monitor.execute('human-monitor-command', { 'command-line': command });
  monitor.close();
  // What it wrote goes to QEMU's own output; here it only says what went wrong.
  expect(said).toBe('');
}

/** What the guest's QEMU says of how it sends memory. */
async function method({ a, guest }: Scene) {
  const monitor = await connectQmp(a.lab.world, `${a.lab.runDirectory}/${guest.id}/q2`, 5_000);
  const parameters = await monitor.execute('query-migrate-parameters');
  const listed = (await monitor.execute('query-migrate-capabilities')) as Capability[];
  monitor.close();
  const capabilities = listed.filter(({ state }) => state).map(({ capability }) => capability);
  return { parameters: parameters as Record<string, unknown>, capabilities };
}

type Capability = { capability: string; state: boolean };

async function completed({ a, guest }: Scene, driver = a.driver()) {
  return vi.waitFor(async () => {
    const progress = await driver.transfer.progress(guest);
    if (progress.phase === 'Failed') throw new Error(`${progress.reason}: ${progress.message}`);
    expect(progress.phase).toBe('Completed');
    return progress;
  }, patience);
}

async function states({ a, b, guest, arrival }: Scene): Promise<string[]> {
  return [(await a.driver().observe(guest)).state, (await b.driver().observe(arrival)).state];
}

describe.each([
  { shared: true, disks: 'one shared disk' },
  { shared: false, disks: 'a disk on its own host' },
])('a machine with $disks', ({ shared }) => {
  let here: Scene;
  let place: TransferPlace;

  const receive = (tls?: ReceiveOptions['tls']) =>
    here.b.driver().transfer.receive(here.arrival, here.arriving, here.hardware, receiving(shared, tls));

  beforeEach(async () => {
    here = await scene(shared);
  });
  afterEach(async () => {
    await here.b.driver().kill(here.arrival);
    await here.b.close();
    await here.a.close();
  });

  it('moves: it never stands on both sides, and goes on with the disk it had', async () => {
    await write(here.a, here.guest, 0x5a, 1024);
    place = await receive();
    expect(await states(here)).toEqual(['Running', 'Incoming']);
    await here.a.driver().transfer.send(here.guest, place, sending());
    await write(here.a, here.guest, 0xa5, 2048);
    const progress = await completed(here);
    expect(progress).toMatchObject({ phase: 'Completed', id: 'move-1', remainingBytes: 0 });
    expect(await states(here)).toEqual(['HandedOver', 'Incoming']);

    await here.b.driver().transfer.arrive(here.arrival, open);
    expect(await states(here)).toEqual(['HandedOver', 'Running']);
    await here.a.driver().kill(here.guest);
    await write(here.b, here.arrival, 0x77, 4096);
    await here.b.driver().kill(here.arrival);
    const content = await readFile(here.copy);
    expect([content[MIB], content[2 * MIB], content[4 * MIB]]).toEqual([0x5a, 0xa5, 0x77]);
    const expected = await readFile(here.disk);
    if (!shared) expected.fill(0x77, 4 * MIB, 4 * MIB + 64 * 1024);
    expect(content.equals(expected)).toBe(true);
  });

  it('moves with certificates, by several compressed connections', async () => {
    const pki = await makeCertificates(join(here.a.directory, 'pki'), ['host-a', 'host-b']);
    const how = { channels: 2, compression: 'Zstd' } as const;
    const options = { ...receiving(shared, { directory: pki('host-b'), peer: 'host-a' }), ...how };
    place = await here.b.driver().transfer.receive(here.arrival, here.arriving, here.hardware, options);
    const tls = { directory: pki('host-a'), peer: 'host-b' };
    await here.a.driver().transfer.send(here.guest, place, sending({ tls, ...how }));
    await completed(here);
    await here.b.driver().transfer.arrive(here.arrival, open);
    expect(await states(here)).toEqual(['HandedOver', 'Running']);
  });

  it('stays when the other end is not who it should be', async () => {
    const pki = await makeCertificates(join(here.a.directory, 'pki'), ['host-a', 'host-b', 'host-c']);
    place = await receive({ directory: pki('host-c'), peer: 'host-a' });
    const tls = { directory: pki('host-a'), peer: 'host-b' };
    await here.a.driver().transfer.send(here.guest, place, sending({ tls }));
    await vi.waitFor(async () => {
      expect(await here.a.driver().transfer.progress(here.guest)).toMatchObject({ phase: 'Failed' });
    }, patience);
    await here.a.driver().transfer.cancel(here.guest);
    expect((await here.a.driver().observe(here.guest)).state).toBe('Running');
    expect(await here.a.driver().transfer.progress(here.guest)).toEqual({ phase: 'Idle' });
  });

  it('is not taken from a host that it should not come from, though the authority vouches for that one too', async () => {
    const pki = await makeCertificates(join(here.a.directory, 'pki'), ['host-a', 'host-b', 'host-c']);
    place = await receive({ directory: pki('host-b'), peer: 'host-a' });
    const before = await readFile(here.copy);
    const tls = { directory: pki('host-c'), peer: 'host-b' };
    await here.a.driver().transfer.send(here.guest, place, sending({ tls }));
    await vi.waitFor(async () => {
      expect(await here.a.driver().transfer.progress(here.guest)).toMatchObject({ phase: 'Failed' });
    }, patience);
    await here.a.driver().transfer.cancel(here.guest);
    await here.b.driver().kill(here.arrival);
    expect(await states(here)).toEqual(['Running', 'Off']);
    expect((await readFile(here.copy)).equals(before)).toBe(true);
  });

  it('runs on at its source when the target dies or the move is called off, and can move again', async () => {
    place = await receive();
    const slow = sending({ bytesPerSecond: shared ? 64 * 1024 : 4 * MIB });
    await here.a.driver().transfer.send(here.guest, place, slow);
    await here.b.killQemu(here.arrival);
    await vi.waitFor(async () => {
      expect(await here.a.driver().transfer.progress(here.guest)).toMatchObject({ phase: 'Failed' });
    }, patience);
    await here.a.driver().transfer.cancel(here.guest);
    await here.b.driver().kill(here.arrival);
    expect(await states(here)).toEqual(['Running', 'Off']);

    place = await receive();
    await here.a.driver().transfer.send(here.guest, place, slow);
    await here.a.driver().transfer.cancel(here.guest);
    await here.b.driver().kill(here.arrival);
    expect(await states(here)).toEqual(['Running', 'Off']);

    place = await receive();
    await here.a.driver().transfer.send(here.guest, place, sending());
    await completed(here);
    await here.b.driver().transfer.arrive(here.arrival, open);
    expect(await states(here)).toEqual(['HandedOver', 'Running']);
  });

  it('goes on at its source when it has left and the other host does not take it', async () => {
    place = await receive();
    await here.a.driver().transfer.send(here.guest, place, sending());
    await completed(here);
    await expect(here.a.driver().transfer.cancel(here.guest)).rejects.toMatchObject({ reason: 'HandedOver' });
    const closed = () => Promise.reject(new Error('placed elsewhere'));
    await expect(here.b.driver().transfer.arrive(here.arrival, closed)).rejects.toThrow('placed elsewhere');
    await expect(here.a.driver().transfer.takeBack(here.guest, closed)).rejects.toThrow('placed elsewhere');
    expect(await states(here)).toEqual(['HandedOver', 'Incoming']);
    await here.b.driver().kill(here.arrival);
    await here.a.driver().transfer.takeBack(here.guest, open);
    expect(await states(here)).toEqual(['Running', 'Off']);
    await write(here.a, here.guest, 0x11, 1024);
  });

  it('is not received where it stands already, and not started where it is on its way', async () => {
    place = await receive();
    expect(await receive()).toEqual(place);
    const starting = here.b.driver().start(here.arrival, here.arriving, here.hardware, open);
    await expect(starting).rejects.toMatchObject({ reason: 'Migrating' });
    const twice = here.a
      .driver()
      .transfer.receive(here.guest, here.request, here.hardware, receiving(shared));
    await expect(twice).rejects.toMatchObject({ reason: 'GuestRuns' });
    expect(await states(here)).toEqual(['Running', 'Incoming']);
  });
});

describe('how memory is sent', () => {
  it.each([
    { how: { autoConverge: true }, has: ['auto-converge'], lacks: ['multifd', 'xbzrle'], says: {} },
    { how: { autoConverge: false }, has: [], lacks: ['auto-converge', 'multifd', 'xbzrle'], says: {} },
    {
      how: { channels: 3 },
      has: ['multifd'],
      lacks: ['xbzrle'],
      says: { 'multifd-channels': 3, 'multifd-compression': 'none' },
    },
    {
      how: { compression: 'Zstd' as const },
      has: ['multifd'],
      lacks: ['xbzrle'],
      says: { 'multifd-channels': 1, 'multifd-compression': 'zstd' },
    },
    { how: { compression: 'XBZRLE' as const }, has: ['xbzrle'], lacks: ['multifd'], says: {} },
  ])('$how', async ({ how, has, lacks, says }) => {
    const here = await scene(true);
    try {
      const { transfer } = here.a.driver();
      const options = { ...receiving(true), ...how };
      const place = await here.b
        .driver()
        .transfer.receive(here.arrival, here.arriving, here.hardware, options);
      await transfer.send(here.guest, place, sending({ ...how, bytesPerSecond: 256 * 1024 }));
      const asked = await method(here);
      expect(asked.capabilities).toEqual(expect.arrayContaining(has));
      for (const capability of lacks) expect(asked.capabilities).not.toContain(capability);
      const limits = { 'downtime-limit': 300, 'max-bandwidth': 256 * 1024 };
      expect(asked.parameters).toMatchObject({ ...limits, ...says });
      await transfer.adjust(here.guest, { downtimeMs: 1_200 });
      expect((await method(here)).parameters).toMatchObject({ 'downtime-limit': 1_200 });
      await completed(here);
      await here.b.driver().transfer.arrive(here.arrival, open);
      expect(await states(here)).toEqual(['HandedOver', 'Running']);
    } finally {
      await here.b.driver().kill(here.arrival);
      await here.b.close();
      await here.a.close();
    }
  });
});

/** How often a busy guest has been through its memory, read in two pages that it changes one long after the other. */
async function roundsOf({ lab }: Host, guest: GuestHandle, end: number): Promise<[number, number]> {
  const monitor = await connectQmp(lab.world, `${lab.runDirectory}/${guest.id}/q2`, 20_000);
  const seen: number[] = [];
  for (const address of [MIB, end - 4096]) {
    const said = await monitor.execute('human-monitor-command', { 'command-line': `xp /1wd ${address}` });
    seen.push(Number(String(said).split(':')[1]));
  }
  monitor.close();
  return seen as [number, number];
}

describe('a machine that writes to the same few pages over and over', () => {
  it('has the last of each on the other side', async () => {
    const end = MIB + 32 * 4096;
    const here = await scene(true, (size) => busyDisk(size, end));
    try {
      const began = () => roundsOf(here.a, here.guest, end);
      await vi.waitFor(async () => expect((await began())[1]).toBeGreaterThan(1), patience);
      const { transfer } = here.b.driver();
      const place = await transfer.receive(here.arrival, here.arriving, here.hardware, receiving(true));
      const source = here.a.driver().transfer;
      // Too short for all of them: they are sent again and again, until more is allowed.
      await source.send(here.guest, place, sending({ bytesPerSecond: 8 * MIB, downtimeMs: 1 }));
      await vi.waitFor(async () => {
        const progress = await source.progress(here.guest);
        const isOver = progress.phase === 'Completed';
        expect(isOver || ('transferredBytes' in progress && progress.transferredBytes > 2 * MIB)).toBe(true);
      }, patience);
      await source.adjust(here.guest, { downtimeMs: 300 });
      await completed(here);
      // Neither side runs it now.
      expect(await roundsOf(here.b, here.arrival, end)).toEqual(await began());
    } finally {
      await here.b.driver().kill(here.arrival);
      await here.b.close();
      await here.a.close();
    }
  });
});

describe.each([true, false])(
  'a machine whose memory changes faster than it is sent (shared disk: %s)',
  (shared) => {
    let here: Scene;
    const slow = 24 * MIB;
    const phase = async () => (await here.a.driver().transfer.progress(here.guest)).phase;
    const reaches = (...wanted: string[]) =>
      vi.waitFor(async () => expect(wanted).toContain(await phase()), patience);
    const arrival = () => here.b.driver().transfer.arrival(here.arrival);
    const counts = (on: Host, guest: GuestHandle) => roundsOf(on, guest, busyEnd);
    const sent = async () => {
      const options = { ...receiving(shared), postCopy: true };
      const place = await here.b
        .driver()
        .transfer.receive(here.arrival, here.arriving, here.hardware, options);
      await here.a
        .driver()
        .transfer.send(here.guest, place, sending({ postCopy: true, bytesPerSecond: slow }));
      await reaches('Memory');
      return place;
    };

    beforeEach(async () => {
      here = await scene(shared, busyDisk, 1024 * MIB);
      await vi.waitFor(
        async () => expect((await counts(here.a, here.guest))[1]).toBeGreaterThan(1),
        patience,
      );
    });
    afterEach(async () => {
      await here.b.driver().kill(here.arrival);
      await here.b.close();
      await here.a.close();
    });

    it('stands still before the switch, and goes on where it was when that is called off', async () => {
      await sent();
      await here.a.driver().transfer.beginPostCopy(here.guest);
      await reaches('AwaitingSwitch');
      const early = here.b.driver().transfer.arrive(here.arrival, open);
      await expect(early).rejects.toMatchObject({ reason: 'NotArrived' });
      await here.a.restarted();
      expect(await phase()).toBe('AwaitingSwitch');
      await here.a.driver().transfer.cancel(here.guest);
      if ((await states(here))[0] === 'HandedOver') await here.a.driver().transfer.takeBack(here.guest, open);
      await here.b.driver().kill(here.arrival);
      expect(await states(here)).toEqual(['Running', 'Off']);
      const before = await counts(here.a, here.guest);
      await vi.waitFor(
        async () => expect((await counts(here.a, here.guest))[0]).toBeGreaterThan(before[0]),
        patience,
      );
    });

    it('stands still when the other end is gone at the switch, until it is taken back', async () => {
      await sent();
      await here.a.driver().transfer.beginPostCopy(here.guest);
      await reaches('AwaitingSwitch');
      await here.b.killQemu(here.arrival);
      await here.a.driver().transfer.switchOver(here.guest);
      await reaches('Failed');
      expect(await states(here)).toEqual(['HandedOver', 'Off']);
      await here.a.driver().transfer.takeBack(here.guest, open);
      expect(await states(here)).toEqual(['Running', 'Off']);
    });

    it('runs on the other side only, before its memory is there, over a connection that breaks and is made anew', async () => {
      await sent();
      await here.a.driver().transfer.beginPostCopy(here.guest);
      await reaches('AwaitingSwitch');
      const before = await counts(here.a, here.guest);
      await here.a.driver().transfer.switchOver(here.guest);
      await here.a.driver().transfer.switchOver(here.guest);
      await vi.waitFor(async () => expect(await arrival()).not.toBe('Waited'), patience);
      const closed = () => Promise.reject(new Error('placed elsewhere'));
      await expect(here.b.driver().transfer.arrive(here.arrival, closed)).rejects.toThrow('placed elsewhere');
      expect((await states(here))[1]).toBe('Incoming');
      await here.b.driver().transfer.arrive(here.arrival, open);
      await here.a.driver().transfer.disconnect(here.guest);
      await reaches('PostCopyPaused');
      expect(await states(here)).toEqual(['HandedOver', 'Running']);
      await expect(here.a.driver().transfer.cancel(here.guest)).rejects.toMatchObject({
        reason: 'HandedOver',
      });
      await vi.waitFor(async () => expect(await arrival()).toBe('Paused'), patience);
      const place = await here.b.driver().transfer.listenAnew(here.arrival, { address: '127.0.0.1' });
      if (place === undefined) throw new Error('it does not listen');
      await here.a.driver().transfer.adjust(here.guest, { downtimeMs: 300 });
      await here.a.driver().transfer.reconnect(here.guest, place);
      await completed(here);
      await vi.waitFor(async () => expect(await arrival()).toBe('Whole'), patience);
      expect(await states(here)).toEqual(['HandedOver', 'Running']);
      await here.a.driver().kill(here.guest);
      const [first, last] = await counts(here.b, here.arrival);
      // What it had, and more: never a page of an earlier round.
      expect(last).toBeGreaterThanOrEqual(before[1]);
      expect(first - last).toBeLessThanOrEqual(1);
      expect(
        await here.b.driver().transfer.listenAnew(here.arrival, { address: '127.0.0.1' }),
      ).toBeUndefined();
    });
  },
);

describe('ports that a host has opened for moves', () => {
  it('are the only ones it listens on, and a machine is refused when all are taken', async () => {
    const lab = await createQemuLab({ facts, host: 'b' });
    const driver = createQemuDriver({ ...lab, facts, transferPorts: { first: 61_500, count: 3 } });
    const disk = join(lab.directory, 'web.raw');
    const request = machineRequest(disk);
    const hardware = driver.resolve(request, undefined, facts);
    const [web, db] = [lab.guest('web'), lab.guest('db')];
    try {
      const place = await driver.transfer.receive(web, request, hardware, receiving(false));
      expect(new Set([place.port, place.disks?.port]).size).toBe(2);
      for (const port of [place.port, place.disks?.port]) expect([61_500, 61_501, 61_502]).toContain(port);
      const late = driver.transfer.receive(db, request, hardware, receiving(false));
      await expect(late).rejects.toThrow(/in use/);
      expect((await driver.observe(db)).state).toBe('Off');
    } finally {
      for (const guest of [web, db]) await driver.kill(guest);
      await driver.close();
      await lab.close();
    }
  });
});
