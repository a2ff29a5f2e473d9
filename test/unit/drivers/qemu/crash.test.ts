/** An agent may die between any two lines: whatever it was about to do, the next one finds one guest or none, and the truth about it. */
import { describe, expect, it } from 'vitest';
import type { QemuDriver } from '../../../../src/drivers/hypervisor/qemu/driver.ts';
import { resolveHardware } from '../../../../src/drivers/hypervisor/qemu/resolve.ts';
import { FakeHost } from './fakeHost.ts';
import { guest, smallMachine, tcgHost } from './machine.ts';

const hardware = resolveHardware(smallMachine, undefined, tcgHost);
const start = (driver: QemuDriver, gate: () => Promise<void> = async () => {}) =>
  driver.start(guest, smallMachine, hardware, gate);

/** Lets agents die at their first, second, ... call of `work` until one comes to its end; `check` sees each host that is left. */
async function dieEverywhere(
  prepare: (host: FakeHost) => Promise<void>,
  work: (driver: QemuDriver) => Promise<unknown>,
  check: (host: FakeHost) => Promise<void>,
): Promise<number> {
  let deaths = 0;
  for (const before of [true, false]) {
    for (let call = 1; ; call += 1) {
      const host = new FakeHost();
      await prepare(host);
      const { driver, died } = host.mortalAgent(call, before);
      const end = await Promise.race([died.then(() => 'died'), work(driver).then(() => 'done')]);
      await driver.close();
      await check(host);
      if (end === 'done') break;
      deaths += 1;
    }
  }
  return deaths;
}

const nothing = async () => {};
const running = (host: FakeHost) => start(host.agent());

describe('an agent that dies during a start', () => {
  it('leaves at most one process, which runs only past the gate', async () => {
    let passed = false;
    const deaths = await dieEverywhere(
      async () => {
        passed = false;
      },
      (driver) =>
        start(driver, async () => {
          passed = true;
        }),
      async (host) => {
        const { state } = await host.agent().observe(guest);
        expect(host.living().length).toBeLessThanOrEqual(1);
        expect(['Off', 'Prelaunch', 'Running']).toContain(state);
        if (!passed) expect(host.machines.some(({ ran }) => ran)).toBe(false);
        if (state === 'Off') expect(host.living()).toEqual([]);
      },
    );
    expect(deaths).toBeGreaterThan(20);
  });

  it('lets the next one start the guest, once', async () => {
    await dieEverywhere(nothing, start, async (host) => {
      const ranBefore = host.machines.filter(({ ran, alive }) => ran && alive).length;
      const next = host.agent();
      await start(next);
      expect(await next.observe(guest)).toMatchObject({ state: 'Running' });
      expect(host.living()).toHaveLength(1);
      expect(host.machines.filter(({ ran }) => ran)).toHaveLength(1);
      if (ranBefore === 1) expect(host.machines).toHaveLength(1);
    });
  });

  it('lets the next one clear everything away', async () => {
    await dieEverywhere(nothing, start, async (host) => {
      const next = host.agent();
      await next.kill(guest);
      await next.remove(guest);
      expect(await next.observe(guest)).toEqual({ state: 'Off' });
      expect(host.living()).toEqual([]);
      expect(host.traces()).toEqual([]);
    });
  });

  it('lets no start leave a crash behind when the guest never ran', async () => {
    await dieEverywhere(
      nothing,
      (driver) => start(driver, () => Promise.reject(new Error('no lease'))).catch(() => undefined),
      async (host) => {
        expect(host.machines.some(({ ran }) => ran)).toBe(false);
        const next = host.agent();
        await next.kill(guest);
        expect(await next.observe(guest)).toEqual({ state: 'Off' });
        expect(host.living()).toEqual([]);
      },
    );
  });
});

describe('an agent that dies during a kill', () => {
  it('leaves a guest that runs or one that was killed, never a crashed one', async () => {
    await dieEverywhere(
      running,
      (driver) => driver.kill(guest),
      async (host) => {
        const observation = await host.agent().observe(guest);
        if (host.living().length === 1) expect(observation).toMatchObject({ state: 'Running' });
        else expect(observation).toEqual({ state: 'Off' });
      },
    );
  });

  it('lets the next one bring it to its end', async () => {
    await dieEverywhere(
      running,
      (driver) => driver.kill(guest),
      async (host) => {
        await host.agent().kill(guest);
        expect(await host.agent().observe(guest)).toEqual({ state: 'Off' });
        expect(host.traces()).toEqual([]);
      },
    );
  });
});

describe('an agent that dies while it puts away a guest that powered off', () => {
  it('does not make a crash of it', async () => {
    const poweredOff = async (host: FakeHost) => {
      await running(host);
      for (const machine of host.living()) machine.status = 'shutdown';
    };
    await dieEverywhere(
      poweredOff,
      (driver) => driver.observe(guest),
      async (host) => {
        expect(await host.agent().observe(guest)).toEqual({ state: 'Off', ended: 'PoweredOff' });
        expect(host.living()).toEqual([]);
      },
    );
  });
});

describe('a host that went down', () => {
  it('is told from a crash', async () => {
    const host = new FakeHost();
    await running(host);
    for (const machine of host.living()) host.end(machine);
    expect(await host.agent().observe(guest)).toEqual({ state: 'Off', ended: 'Crashed' });
    host.bootId = 'boot-2';
    expect(await host.agent().observe(guest)).toEqual({ state: 'Off', ended: 'HostRebooted' });
  });

  it('may have gone down during a start: the next one is the only one', async () => {
    await dieEverywhere(nothing, start, async (host) => {
      for (const machine of host.living()) host.end(machine);
      host.bootId = 'boot-2';
      expect((await host.agent().observe(guest)).state).toBe('Off');
      await running(host);
      expect(host.living()).toHaveLength(1);
    });
  });
});

describe('a start that is forbidden', () => {
  const forbidden = () => Promise.reject(new Error('no lease'));
  const poweredOff = async (host: FakeHost) => {
    await running(host);
    for (const machine of host.living()) machine.status = 'shutdown';
    await host.agent().observe(guest);
  };

  it('leaves what is known of the run before, also when the agent dies on the way', async () => {
    await dieEverywhere(
      poweredOff,
      (driver) => start(driver, forbidden).catch(() => undefined),
      async (host) => {
        const next = host.agent();
        if ((await next.observe(guest)).state === 'Prelaunch')
          await start(next, forbidden).catch(() => undefined);
        expect(await next.observe(guest)).toEqual({ state: 'Off', ended: 'PoweredOff' });
        expect(host.living()).toEqual([]);
      },
    );
  });
});

describe('a guest whose monitor answers for another', () => {
  it('is left alone', async () => {
    const host = new FakeHost();
    await running(host);
    const stranger = { ...guest, uuid: '00000000-0000-0000-0000-000000000000' };
    const driver = host.agent();
    expect(await driver.observe(stranger)).toMatchObject({ state: 'Unmanageable', reason: 'ForeignProcess' });
    await expect(driver.start(stranger, smallMachine, hardware, nothing)).rejects.toMatchObject({
      reason: 'ForeignProcess',
    });
    await expect(driver.kill(stranger)).rejects.toMatchObject({ reason: 'ForeignProcess' });
    expect(host.living()).toHaveLength(1);
  });
});
