/** The driver on a host in memory: the contract of all hypervisors, and death between any two of its calls. */
import { describe, expect, it } from 'vitest';
import { createCgroups } from '../../../../src/drivers/cgroup/cgroups.ts';
import type { LxcDriver } from '../../../../src/drivers/hypervisor/lxc/driver.ts';
import { createLxcDriver } from '../../../../src/drivers/hypervisor/lxc/driver.ts';
import { describeHypervisor } from '../../../contract/hypervisor/suite.ts';
import { v1Mounts, v2Mounts } from '../cgroup/kernel.ts';
import type { LxcLab } from './lab.ts';
import { lxcLab } from './lab.ts';
import { aGuest, aNetwork, aRequest } from './requests.ts';

const open = async () => {};
const hardware = { idBase: 1_000_000 };
const guest = aGuest();

describeHypervisor('lxc in memory, cgroup version 1', () => lxcLab(v1Mounts));
describeHypervisor('lxc in memory, cgroup version 2', () => lxcLab(v2Mounts));

/** An agent's driver that dies at the `calls`th call of the world: that one and all later ones never come back. */
async function mortalDriver(
  lab: LxcLab,
  calls: number,
): Promise<{ driver: LxcDriver; died: Promise<'died'> }> {
  let left = Number.POSITIVE_INFINITY;
  let die = (_: 'died') => {};
  const died = new Promise<'died'>((resolve) => {
    die = resolve;
  });
  const mortal = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get: (target, name, receiver) => {
        const method: unknown = Reflect.get(target, name, receiver);
        if (typeof method !== 'function') return method;
        return (...given: unknown[]) => {
          left -= 1;
          if (left >= 0) return Reflect.apply(method, target, given);
          die('died');
          return new Promise(() => {});
        };
      },
    });
  const world = { ...lab.kernel, files: mortal(lab.kernel.files), processes: mortal(lab.kernel.processes) };
  const cgroups = await createCgroups({ world, root: lab.cgroups.root });
  left = calls;
  return { driver: createLxcDriver({ world, cgroups, lxcPath: '/run/v/lxc' }), died };
}

type Story = {
  /** What has happened before. */
  before?: (lab: LxcLab) => Promise<void>;
  deed: (driver: LxcDriver, lab: LxcLab) => Promise<unknown>;
  /** What must hold wherever the agent died, told by the next one. */
  after: (next: LxcDriver, lab: LxcLab) => Promise<void>;
};

/** Repeats a story with an agent that dies ever later, until it lives to the end of it; gives how many calls that took. */
async function atEveryDeath({ before, deed, after }: Story): Promise<number> {
  for (let calls = 0; ; calls += 1) {
    const lab = await lxcLab(v2Mounts);
    await before?.(lab);
    const { driver, died } = await mortalDriver(lab, calls);
    const outcome = await Promise.race([deed(driver, lab).then(() => 'lived'), died]);
    await after(lab.driver(), lab);
    if (outcome === 'lived') return calls;
  }
}

const started = async (lab: LxcLab) => lab.driver().start(guest, lab.request, hardware, open);

describe('an agent that dies between any two calls', () => {
  it('never leads to two containers, and the next agent brings the guest up', async () => {
    const calls = await atEveryDeath({
      deed: (driver, lab) => driver.start(guest, lab.request, hardware, open),
      after: async (next, lab) => {
        const found = await next.observe(guest);
        expect(found.state).toBe(lab.lxc.instances(guest.id) === 1 ? 'Running' : 'Off');
        expect(found).not.toHaveProperty('ended');
        await next.start(guest, lab.request, hardware, open);
        expect(lab.lxc.instances(guest.id)).toBe(1);
        expect(await next.observe(guest)).toMatchObject({ state: 'Running' });
        lab.lxc.crash(guest.id);
        expect(await next.observe(guest)).toEqual({ state: 'Off', ended: 'Crashed' });
      },
    });
    expect(calls).toBeGreaterThan(8);
  });

  it('never loses how a container ended that it was about to write down as running', async () => {
    await atEveryDeath({
      deed: (driver, lab) => driver.start(guest, lab.request, hardware, open),
      after: async (next, lab) => {
        const ran = lab.lxc.instances(guest.id) === 1;
        lab.lxc.powerOff(guest.id);
        expect(await next.observe(guest)).toEqual(
          ran ? { state: 'Off', ended: 'PoweredOff' } : { state: 'Off' },
        );
      },
    });
  });

  it('never lets a kill look like a crash, and the next agent can finish it', async () => {
    const calls = await atEveryDeath({
      before: started,
      deed: (driver) => driver.kill(guest),
      after: async (next, lab) => {
        expect(await next.observe(guest)).not.toHaveProperty('ended');
        await next.kill(guest);
        expect(await next.observe(guest)).toEqual({ state: 'Off' });
        expect(lab.lxc.instances(guest.id)).toBe(0);
        expect(await lab.cgroups.list()).toEqual([]);
      },
    });
    expect(calls).toBeGreaterThan(8);
  });

  it('never lets a kill that was taken back hide a later crash', async () => {
    await atEveryDeath({
      before: started,
      deed: (driver) => driver.kill(guest),
      after: async (next, lab) => {
        await next.start(guest, lab.request, hardware, open);
        lab.lxc.crash(guest.id);
        expect(await next.observe(guest)).toEqual({ state: 'Off', ended: 'Crashed' });
      },
    });
  });

  it('keeps the end of a run, whenever it was about to write it down', async () => {
    await atEveryDeath({
      before: async (lab) => {
        await started(lab);
        lab.lxc.powerOff(guest.id);
      },
      deed: (driver) => driver.observe(guest),
      after: async (next) => {
        expect(await next.observe(guest)).toEqual({ state: 'Off', ended: 'PoweredOff' });
      },
    });
  });
});

describe('a container whose monitor died', () => {
  it('is not started, not asked to shut down, not called Off, but killed', async () => {
    const lab = await lxcLab();
    const driver = lab.driver();
    await driver.start(guest, lab.request, hardware, open);
    lab.lxc.killMonitor(guest.id);
    expect(await driver.observe(guest)).toMatchObject({ state: 'Unmanageable', reason: 'MonitorLost' });
    await expect(driver.start(guest, lab.request, hardware, open)).rejects.toMatchObject({
      reason: 'MonitorLost',
    });
    await expect(driver.shutdown(guest)).rejects.toMatchObject({ reason: 'MonitorLost' });
    await expect(driver.remove(guest)).rejects.toMatchObject({ reason: 'GuestRunning' });
    expect(lab.lxc.instances(guest.id)).toBe(1);
    await driver.kill(guest);
    expect(await driver.observe(guest)).toEqual({ state: 'Off' });
  });
});

describe('a container that rebooted itself', () => {
  it('is Running with its new first process, and a later power-off is seen as one', async () => {
    const lab = await lxcLab();
    const driver = lab.driver();
    await driver.start(guest, lab.request, hardware, open);
    const before = await driver.observe(guest);
    lab.lxc.reboot(guest.id);
    const after = await driver.observe(guest);
    expect(after).toMatchObject({ state: 'Running' });
    expect(after).not.toEqual(before);
    lab.lxc.powerOff(guest.id);
    expect(await driver.observe(guest)).toEqual({ state: 'Off', ended: 'PoweredOff' });
  });
});

describe('a start that fails', () => {
  it('tells the cause from the log, leaves nothing, and is no run that ended', async () => {
    const lab = await lxcLab();
    const driver = lab.driver();
    lab.lxc.failNext =
      'ERROR    network - ../src/lxc/network.c:f:7 - No such file or directory - Failed to attach "v" to bridge "br9", bridge interface doesn\'t exist';
    await expect(driver.start(guest, lab.request, hardware, open)).rejects.toMatchObject({
      reason: 'BridgeMissing',
    });
    expect(await driver.observe(guest)).toEqual({ state: 'Off' });
    expect(await lab.cgroups.list()).toEqual([]);
  });

  it('waits for the interface of the last run, and then names it', async () => {
    const lab = await lxcLab();
    lab.kernel.groups.files.set('/sys/class/net/va1b2c3d4', '');
    const start = lab.driver().start(guest, aRequest({ networks: [aNetwork()] }), hardware, open);
    await expect(start).rejects.toMatchObject({
      reason: 'InterfaceExists',
      message: expect.stringContaining('va1b2c3d4'),
    });
  });

  it('does not reach LXC without a root file system', async () => {
    const lab = await lxcLab();
    const rootfs = { type: 'Directory', path: '/pool/gone', shift: 'Idmapped' } as const;
    const start = lab.driver().start(guest, aRequest({ rootfs }), hardware, open);
    await expect(start).rejects.toMatchObject({ reason: 'RootfsMissing' });
  });
});

describe('a host that was rebooted', () => {
  it('ends its containers as such', async () => {
    const lab = await lxcLab();
    const driver = lab.driver();
    await driver.start(guest, lab.request, hardware, open);
    lab.lxc.killMonitor(guest.id);
    lab.lxc.crash(guest.id);
    lab.kernel.groups.files.set('/proc/sys/kernel/random/boot_id', 'next boot\n');
    expect(await driver.observe(guest)).toEqual({ state: 'Off', ended: 'HostRebooted' });
  });
});

describe('facts', () => {
  it('are the version, or what is missing', async () => {
    const lab = await lxcLab();
    expect(await lab.driver().facts()).toEqual({ available: true, version: '5.0.2' });
    lab.kernel.groups.files.set('/proc/self/status', 'Uid:\t1000\t1000\t1000\t1000\n');
    expect(await lab.driver().facts()).toMatchObject({ available: false, reason: 'RootRequired' });
    lab.kernel.groups.files.set('/proc/self/status', 'Uid:\t0\t0\t0\t0\n');
    lab.kernel.groups.files.set('/sys/module/apparmor/parameters/enabled', 'Y\n');
    const unparsed = async (program: string) => (program === 'apparmor_parser' ? undefined : '/usr/bin/x');
    const bare = { ...lab.kernel, processes: { ...lab.kernel.processes, which: unparsed } };
    expect(await lab.driver(bare).facts()).toMatchObject({ reason: 'AppArmorParserMissing' });
    const without = { ...lab.kernel, processes: { ...lab.kernel.processes, which: async () => undefined } };
    expect(await lab.driver(without).facts()).toMatchObject({ available: false, reason: 'LxcMissing' });
  });
});
