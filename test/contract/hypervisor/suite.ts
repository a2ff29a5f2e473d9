/**
 * What every hypervisor driver promises, told once for QEMU, LXC and the simulated ones. A lab brings a host, guests and the powers that a
 * driver does not have: to crash a guest behind its back, to let it power itself off.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProcessIdentity } from '../../../src/base/processes.ts';
import type {
  GuestHandle,
  GuestObservation,
  HypervisorDriver,
} from '../../../src/drivers/hypervisor/contract.ts';

export type HypervisorLab<Request, Hardware> = {
  /** A new driver object for the same host, as an agent makes one when it starts. */
  driver(): HypervisorDriver<Request, Hardware>;
  /** A guest of this name with a directory of its own; the same for the same name. */
  guest(name: string): GuestHandle;
  request: Request;
  /** The request of a second guest beside the first, on a volume of its own; absent: `request` serves for both. */
  otherRequest?: Request;
  /** A request that needs a restart, and the path that is then reported. */
  changed: { request: Request; path: string };
  /** Ends the guest's processes as a crash does. */
  crash(guest: GuestHandle): Promise<void>;
  /** Lets the guest power itself off; absent: the lab's guest has no system that could. */
  powerOff?(guest: GuestHandle): Promise<void>;
  /** Whether the lab's guest follows a shutdown request. */
  followsShutdown: boolean;
  /** How many processes run this guest, counted without the driver's help; absent: nothing can be counted. */
  countProcesses?(guest: GuestHandle): Promise<number>;
  /** Ends everything the lab made. */
  close(): Promise<void>;
};

export type HypervisorSuiteOptions = {
  /** How long a guest may take to follow or to be noticed, in milliseconds; default 2,000. */
  patienceMs?: number;
};

const open = async () => {};

/** Runs the suite; `makeLab` is called before each test. */
export function describeHypervisor<Request, Hardware>(
  name: string,
  makeLab: () => Promise<HypervisorLab<Request, Hardware>>,
  options: HypervisorSuiteOptions = {},
): void {
  const patience = { timeout: options.patienceMs ?? 2_000, interval: 20 };

  describe(`hypervisor driver: ${name}`, () => {
    let lab: HypervisorLab<Request, Hardware>;
    let driver: HypervisorDriver<Request, Hardware>;
    let guest: GuestHandle;
    let hardware: Hardware;

    beforeEach(async () => {
      lab = await makeLab();
      driver = lab.driver();
      guest = lab.guest('web');
      hardware = driver.resolve(lab.request, undefined, await driver.facts());
    });
    afterEach(async () => {
      await driver.kill(guest);
      await driver.close();
      await lab.close();
    });

    const start = () => driver.start(guest, lab.request, hardware, open);
    const becomes = (expected: Partial<GuestObservation>, by = driver) =>
      vi.waitFor(async () => expect(await by.observe(guest)).toMatchObject(expected), patience);
    const expectProcesses = async (count: number) => {
      if (lab.countProcesses !== undefined) expect(await lab.countProcesses(guest)).toBe(count);
    };
    /** The agent goes away without a word and another one comes. */
    const restartAgent = async () => {
      await driver.close();
      driver = lab.driver();
    };

    describe('resolving hardware', () => {
      it('gives the same hardware each time, and keeps what was pinned', async () => {
        const facts = await driver.facts();
        expect(driver.resolve(lab.request, undefined, facts)).toEqual(hardware);
        expect(driver.resolve(lab.request, hardware, facts)).toEqual(hardware);
      });

      it('describes the plan as text with the guest in it', async () => {
        expect(driver.describe(guest, lab.request, hardware, await driver.facts())).toContain('web');
      });
    });

    describe('a guest that never ran', () => {
      it('is Off without an end, and is not discovered', async () => {
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
        expect(await driver.discover()).not.toContain(guest.id);
      });

      it('lets itself be shut down, killed, updated and removed without an error', async () => {
        await driver.shutdown(guest);
        await driver.kill(guest);
        expect(await driver.update(guest, lab.request)).toEqual([]);
        await driver.remove(guest);
        await driver.remove(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
      });
    });

    describe('starting', () => {
      it('brings the guest to Running, with a process that can be told', async () => {
        await start();
        expect(await driver.observe(guest)).toMatchObject({
          state: 'Running',
          process: { pid: expect.any(Number) },
        });
        expect(await driver.discover()).toEqual([guest.id]);
        await expectProcesses(1);
      });

      it('runs no second process when it is started again', async () => {
        await start();
        const first = await processOf(driver, guest);
        await start();
        expect(await processOf(driver, guest)).toEqual(first);
        await expectProcesses(1);
      });

      it('runs one process when two starts come at once', async () => {
        await Promise.all([start(), start()]);
        await becomes({ state: 'Running' });
        await expectProcesses(1);
      });

      it('asks the gate once, before the guest runs', async () => {
        const seen: string[] = [];
        await driver.start(guest, lab.request, hardware, async () => {
          seen.push((await driver.observe(guest)).state);
        });
        expect(seen).toHaveLength(1);
        expect(['Off', 'Prelaunch']).toContain(seen[0]);
      });

      it('leaves nothing behind when the gate forbids it', async () => {
        const forbidden = driver.start(guest, lab.request, hardware, async () => {
          throw new Error('lease lost');
        });
        await expect(forbidden).rejects.toThrow('lease lost');
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
        expect(await driver.discover()).not.toContain(guest.id);
        await expectProcesses(0);
        await start();
        await becomes({ state: 'Running' });
      });

      it('runs two guests side by side', async () => {
        const other = lab.guest('db');
        await start();
        await driver.start(other, lab.otherRequest ?? lab.request, hardware, open);
        expect((await driver.discover()).sort()).toEqual([guest.id, other.id].sort());
        await driver.kill(other);
        expect(await driver.observe(other)).toEqual({ state: 'Off' });
        expect(await driver.observe(guest)).toMatchObject({ state: 'Running' });
      });
    });

    describe('an agent that was restarted', () => {
      it('finds the guest again as the same process, and starts no second one', async () => {
        await start();
        const before = await processOf(driver, guest);
        await restartAgent();
        expect(await driver.discover()).toEqual([guest.id]);
        expect(await processOf(driver, guest)).toEqual(before);
        await start();
        expect(await driver.observe(guest)).toMatchObject({ state: 'Running', process: before });
        await expectProcesses(1);
      });

      it('can end a guest that another one started', async () => {
        await start();
        await restartAgent();
        await driver.kill(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
        await expectProcesses(0);
      });

      it('learns that the guest crashed while no agent was there', async () => {
        await start();
        await driver.close();
        await lab.crash(guest);
        driver = lab.driver();
        await becomes({ state: 'Off', ended: 'Crashed' });
      });
    });

    describe('the end of a guest', () => {
      it('is Crashed when its process dies, and watchers hear of it', async () => {
        await start();
        const heard: string[] = [];
        const unwatch = driver.watch((id) => heard.push(id));
        await lab.crash(guest);
        await vi.waitFor(() => expect(heard).toContain(guest.id), patience);
        await becomes({ state: 'Off', ended: 'Crashed' });
        unwatch();
        await expectProcesses(0);
      });

      it('is told until the next start', async () => {
        await start();
        await lab.crash(guest);
        await becomes({ state: 'Off', ended: 'Crashed' });
        await start();
        expect(await driver.observe(guest)).toMatchObject({ state: 'Running' });
        await driver.kill(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
      });

      it('is acknowledged by a kill', async () => {
        await start();
        await lab.crash(guest);
        await becomes({ state: 'Off', ended: 'Crashed' });
        await driver.kill(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
      });

      it('is PoweredOff when the guest follows a shutdown request', async () => {
        if (!lab.followsShutdown) return;
        await start();
        await vi.waitFor(async () => {
          await driver.shutdown(guest);
          expect(await driver.observe(guest)).toEqual({ state: 'Off', ended: 'PoweredOff' });
        }, patience);
        await expectProcesses(0);
      });

      it('is PoweredOff when the guest powers itself off, also while no agent was there', async () => {
        if (lab.powerOff === undefined) return;
        await start();
        await driver.close();
        await lab.powerOff(guest);
        driver = lab.driver();
        await becomes({ state: 'Off', ended: 'PoweredOff' });
      });

      it('leaves no end when the guest was killed, however often', async () => {
        await start();
        await driver.kill(guest);
        await driver.kill(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
        expect(await driver.discover()).not.toContain(guest.id);
        await expectProcesses(0);
      });

      it('is forgotten with the guest', async () => {
        await start();
        await lab.crash(guest);
        await becomes({ state: 'Off', ended: 'Crashed' });
        await driver.remove(guest);
        await driver.remove(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
      });

      it('has to come before remove: a running guest is not removed', async () => {
        await start();
        await expect(driver.remove(guest)).rejects.toThrow();
        expect(await driver.observe(guest)).toMatchObject({ state: 'Running' });
      });
    });

    describe('pausing', () => {
      it('stops the guest and lets it go on, as the same process', async () => {
        await start();
        const before = await processOf(driver, guest);
        await driver.pause(guest);
        await driver.pause(guest);
        expect(await driver.observe(guest)).toMatchObject({ state: 'Paused', process: before });
        await restartAgent();
        expect(await driver.observe(guest)).toMatchObject({ state: 'Paused', process: before });
        await driver.resume(guest);
        await driver.resume(guest);
        expect(await driver.observe(guest)).toMatchObject({ state: 'Running', process: before });
      });

      it('does not keep a guest from being killed', async () => {
        await start();
        await driver.pause(guest);
        await driver.kill(guest);
        expect(await driver.observe(guest)).toEqual({ state: 'Off' });
        await expectProcesses(0);
      });
    });

    describe('a request that changed while the guest runs', () => {
      it('is reported as pending, and no longer when it was taken back', async () => {
        await start();
        expect(await driver.update(guest, lab.request)).toEqual([]);
        const pending = await driver.update(guest, lab.changed.request);
        expect(pending.map(({ path, class: kind }) => ({ path, kind }))).toEqual([
          { path: lab.changed.path, kind: 'Restart' },
        ]);
        expect(await driver.update(guest, lab.request)).toEqual([]);
      });

      it('stays pending for the next agent, and is done with the next start', async () => {
        await start();
        await driver.update(guest, lab.changed.request);
        await restartAgent();
        expect(await driver.update(guest, lab.changed.request)).toHaveLength(1);
        await driver.kill(guest);
        await driver.start(guest, lab.changed.request, hardware, open);
        expect(await driver.update(guest, lab.changed.request)).toEqual([]);
      });
    });
  });
}

async function processOf(
  driver: Pick<HypervisorDriver<unknown, unknown>, 'observe'>,
  guest: GuestHandle,
): Promise<ProcessIdentity> {
  const observation = await driver.observe(guest);
  if (!('process' in observation)) throw new Error(`no process: ${JSON.stringify(observation)}`);
  return observation.process;
}
