/** The QEMU driver with a real QEMU: the contract of all hypervisors, and what only this one can do. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type {
  GuestHandle,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
} from '../../src/drivers/hypervisor/contract.ts';
import { probeArguments } from '../../src/drivers/hypervisor/qemu/acceleration.ts';
import type { QemuDriver } from '../../src/drivers/hypervisor/qemu/driver.ts';
import { probeImage, probeSuccess } from '../../src/drivers/hypervisor/qemu/probe/image.ts';
import { connectQmp } from '../../src/drivers/hypervisor/qemu/qmp.ts';
import { createQemuLab, type QemuLab } from '../contract/hypervisor/qemuLab.ts';
import { describeHypervisor } from '../contract/hypervisor/suite.ts';

const patience = { timeout: 15_000, interval: 20 };
const open = async () => {};

let facts: HypervisorFacts | undefined;

beforeAll(async () => {
  const lab = await createQemuLab();
  facts = await lab.driver().facts();
  await lab.close();
});

const makeLab = (options: { withCgroups?: boolean } = {}) =>
  createQemuLab({ ...(facts === undefined ? {} : { facts }), ...options });

describeHypervisor('QEMU', () => makeLab(), { patienceMs: 15_000 });
describeHypervisor('QEMU without control groups', () => makeLab({ withCgroups: false }), {
  patienceMs: 15_000,
});

describe('a machine under QEMU', () => {
  let lab: QemuLab;
  let driver: QemuDriver;
  let guest: GuestHandle;

  beforeEach(async () => {
    lab = await makeLab();
    driver = lab.driver();
    guest = lab.guest('web');
  });
  afterEach(() => lab.close());

  const resolve = (request: MachineRequest): MachineHardware =>
    driver.resolve(request, undefined, facts ?? { available: false });
  const start = (request = lab.request, gate = open) => driver.start(guest, request, resolve(request), gate);
  const recordPath = () => join(guest.directory, 'run.json');
  const monitor = () => connectQmp(lab.world, driver.sockets(guest).qmp2, 5_000);
  const firstByte = async (path: string) => {
    const stream = await lab.world.sockets.connectUnix(path);
    const text = await new Promise<string>((done) => {
      stream.once('data', (chunk) => done(String(chunk)));
    });
    stream.destroy();
    return text;
  };

  describe('what this host has', () => {
    it('is told with the reason for the accelerator', () => {
      expect(facts).toMatchObject({
        available: true,
        version: expect.stringMatching(/^\d+\.\d+/),
        qemu: { machineTypes: { q35: expect.stringMatching(/^pc-q35-\d/) } },
      });
      expect(facts?.acceleratorReason).toMatch(/^Kvm(Usable|DeviceMissing|Denied|TooSlow|Broken): /);
    });

    it('is tried with a probe that comes to its end where instructions are run', async () => {
      const image = join(lab.directory, 'probe');
      await writeFile(image, probeImage());
      const argv = [...probeArguments(facts?.qemu?.program ?? '', 'tcg'), '-kernel', image];
      expect(await lab.world.processes.run(argv, { timeoutMs: 20_000 })).toMatchObject({
        code: probeSuccess,
      });
    });
  });

  describe('the command line', () => {
    const disk = (name: string, change: Partial<MachineRequest['disks'][number]>) => ({
      ...requestDisk(),
      name,
      ...change,
      volume: { type: 'File' as const, path: join(lab.directory, 'db.raw'), format: 'raw' as const },
    });
    const requestDisk = () => {
      const [first] = lab.request.disks;
      if (first === undefined) throw new Error('the lab has a disk');
      return first;
    };
    const network = (name: string, model: 'virtio' | 'e1000e' | 'rtl8139', mtu?: number) => ({
      name,
      mac: `52:54:00:00:00:0${name.length}`,
      model,
      linkState: 'Down' as const,
      attachment: { type: 'User' as const },
      ...(mtu === undefined ? {} : { mtu }),
    });

    it.each(['q35', 'pc'] as const)('is taken by QEMU with everything a %s can have', async (machine) => {
      const request: MachineRequest = {
        ...lab.request,
        machine,
        cpu: { sockets: 1, cores: 2, threads: 1, model: 'x86-64-v2' },
        disks: [
          requestDisk(),
          disk('a-disk-with-a-name-of-32-letters', {
            bus: 'scsi',
            cache: 'directsync',
            serial: 'S-1',
            readOnly: true,
          }),
        ],
        networks: [network('a', 'virtio', 1400), network('bb', 'e1000e'), network('ccc', 'rtl8139')],
      };
      await start(request);
      expect(await driver.observe(guest)).toMatchObject({ state: 'Running', agentConnected: false });
      await vi.waitFor(async () => {
        await driver.shutdown(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off', ended: 'PoweredOff' });
      }, patience);
    });

    it('gives a UEFI machine variables of its own, once', async () => {
      const request: MachineRequest = {
        ...lab.request,
        firmware: 'UEFI',
        display: 'None',
        guestAgent: false,
      };
      await start(request);
      const variables = join(guest.directory, 'efi-vars.fd');
      const { ino } = await stat(variables);
      await driver.kill(guest);
      await start(request);
      expect((await stat(variables)).ino).toBe(ino);
    });
  });

  describe('its sockets', () => {
    it('reach the serial line, the screen and a second monitor while the driver uses the first', async () => {
      let line = '';
      await start(lab.request, async () => {
        void firstByte(driver.sockets(guest).serial).then((text) => {
          line = text;
        });
      });
      await vi.waitFor(() => expect(line).toContain('R'), patience);
      expect(await firstByte(driver.sockets(guest).vnc)).toMatch(/^RFB 003/);
      const second = await monitor();
      expect(await second.execute('query-status')).toMatchObject({ status: 'running' });
      second.close();
    });
  });

  describe('its process', () => {
    it('lives in the control group of the guest alone', async () => {
      await start();
      expect(await lab.cgroups.members(guest.id)).toEqual(await lab.pids(guest));
    });

    it('that does not answer makes it Unmanageable: not started, not called off, but killed on demand', async () => {
      await start();
      const [pid = 0] = await lab.pids(guest);
      process.kill(pid, 'SIGSTOP');
      expect(await driver.observe(guest)).toMatchObject({ state: 'Unmanageable', reason: 'QmpTimeout' });
      await expect(start()).rejects.toMatchObject({ reason: 'QmpTimeout' });
      await expect(driver.remove(guest)).rejects.toMatchObject({ reason: 'GuestStillRuns' });
      expect(await lab.pids(guest)).toEqual([pid]);
      await driver.kill(guest);
      expect(await lab.pids(guest)).toEqual([]);
    });

    it('is not a crash when the host has rebooted since', async () => {
      await start();
      await lab.crash(guest);
      const record = JSON.parse(await readFile(recordPath(), 'utf8'));
      await writeFile(
        recordPath(),
        JSON.stringify({ ...record, process: { ...record.process, bootId: 'an earlier boot' } }),
      );
      expect(await driver.observe(guest)).toEqual({ state: 'Off', ended: 'HostRebooted' });
    });
  });

  describe('an agent that died at a bad moment', () => {
    /** Starts the guest up to the gate, where this agent stays for good. */
    const dieAtGate = async () => {
      let atGate = () => {};
      const reached = new Promise<void>((done) => {
        atGate = done;
      });
      const never = new Promise<void>(() => {});
      const lost = start(lab.request, async () => {
        atGate();
        await never;
      });
      lost.catch(() => undefined);
      await reached;
      await driver.close();
      driver = lab.driver();
    };
    it('before the gate: the guest is in Prelaunch, cannot be resumed past the gate, and is started afresh', async () => {
      await dieAtGate();
      const [first] = await lab.pids(guest);
      expect(await driver.observe(guest)).toMatchObject({ state: 'Prelaunch' });
      await driver.resume(guest);
      expect(await driver.observe(guest)).toMatchObject({ state: 'Prelaunch' });
      await start();
      expect(await driver.observe(guest)).toMatchObject({ state: 'Running' });
      const now = await lab.pids(guest);
      expect(now).toHaveLength(1);
      expect(now).not.toContain(first);
    });

    it('before it wrote down the process: the process is found by its command line', async () => {
      await dieAtGate();
      await rm(recordPath());
      expect(await driver.observe(guest)).toMatchObject({ state: 'Prelaunch' });
      expect(await driver.discover()).toEqual([guest.id]);
      await start();
      expect(await lab.pids(guest)).toHaveLength(1);
    });

    it('and lost its records: a running guest is found, not started twice, and can be ended', async () => {
      await start();
      const before = await lab.pids(guest);
      await driver.close();
      await rm(guest.directory, { recursive: true });
      driver = lab.driver();
      expect(await driver.discover()).toEqual([guest.id]);
      expect(await driver.observe(guest)).toMatchObject({ state: 'Running', process: { pid: before[0] } });
      await start();
      expect(await lab.pids(guest)).toEqual(before);
      await driver.kill(guest);
      expect(await driver.observe(guest)).toEqual({ state: 'Off' });
      expect(await lab.pids(guest)).toEqual([]);
    });
  });

  describe('a start', () => {
    it('ends when the guest is killed while the gate still thinks', async () => {
      const started = start(lab.request, () => new Promise(() => {}));
      const outcome = expect(started).rejects.toMatchObject({ reason: 'Killed' });
      await vi.waitFor(async () => expect(await lab.pids(guest)).toHaveLength(1), patience);
      await driver.kill(guest);
      await outcome;
      expect(await lab.pids(guest)).toEqual([]);
      expect(await driver.observe(guest)).toEqual({ state: 'Off' });
    });

    it('says that another process holds the lock of a volume, and leaves nothing', async () => {
      await start();
      const thief = lab.guest('thief');
      await expect(driver.start(thief, lab.request, resolve(lab.request), open)).rejects.toMatchObject({
        reason: 'VolumeLocked',
        stalled: false,
      });
      expect(await driver.observe(thief)).toEqual({ state: 'Off' });
      expect(await lab.cgroups.list()).toEqual([guest.id]);
    });

    it('says that a volume is broken, and does not touch it', async () => {
      const path = join(lab.directory, 'broken.qcow2');
      await writeFile(path, 'this is no image');
      const disks = lab.request.disks.map((disk) => ({
        ...disk,
        volume: { type: 'File' as const, path, format: 'qcow2' as const },
      }));
      await expect(start({ ...lab.request, disks })).rejects.toMatchObject({
        reason: 'VolumeBroken',
        stalled: true,
      });
      expect(await readFile(path, 'utf8')).toBe('this is no image');
    });
  });

  describe('live changes', () => {
    const sized = (sizeBytes: number): MachineRequest => ({
      ...lab.request,
      disks: lab.request.disks.map((disk) => ({ ...disk, sizeBytes })),
    });

    it('tell the guest that its disk has grown', async () => {
      await start();
      expect(await driver.update(guest, sized(4 * 1024 ** 2))).toEqual([]);
      const second = await monitor();
      const nodes = (await second.execute('query-named-block-nodes')) as {
        image: { 'virtual-size': number };
      }[];
      second.close();
      expect(new Set(nodes.map((node) => node.image['virtual-size']))).toEqual(new Set([4 * 1024 ** 2]));
      expect(await driver.update(guest, sized(4 * 1024 ** 2))).toEqual([]);
      expect(await driver.update(guest, sized(2 * 1024 ** 2))).toMatchObject([
        { path: 'disks[root].size', from: '4Mi', to: '2Mi', class: 'Recreate' },
      ]);
    });

    it('are made beside others that have to wait', async () => {
      await start();
      const wanted = { ...sized(4 * 1024 ** 2), memoryBytes: 256 * 1024 ** 2 };
      expect((await driver.update(guest, wanted)).map(({ path }) => path)).toEqual(['memory.size']);
      const record = JSON.parse(await readFile(recordPath(), 'utf8'));
      expect(record.request).toEqual(sized(4 * 1024 ** 2));
    });
  });

  describe('a disk', () => {
    it('gives back to the host what its guest discards', async () => {
      await start();
      const path = lab.request.disks.map(({ volume }) => ('path' in volume ? volume.path : '')).join();
      const second = await monitor();
      // By the guest's device, as the guest does it.
      const device = '/machine/peripheral/disk-root/virtio-backend';
      const discard = `qemu-io -d ${device} "discard 64k 512k"`;
      const taken = async () => (await stat(path)).blocks * 512;
      const before = await taken();
      expect(before).toBeGreaterThanOrEqual(1024 ** 2);
      expect(await second.execute('human-monitor-command', { 'command-line': discard })).toBe('');
      second.close();
      expect(await taken()).toBe(before - 512 * 1024);
    });
  });
});
