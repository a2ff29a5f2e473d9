/** What simulated guests can do beyond the contract: take their time, fail on demand, cost nothing while idle. */
import { describe, expect, it } from 'vitest';
import { simulatedMachines } from '../../../../src/drivers/hypervisor/simulated/kinds.ts';
import { machineHost, machineRequest, simulatedGuest } from './lab.ts';

const open = async () => {};
const hardware = simulatedMachines.resolve(machineRequest, undefined);
const web = simulatedGuest('web');

describe('latency', () => {
  it('lets a start take its time, in Prelaunch until then', async () => {
    const { clock, driver } = machineHost();
    const host = driver({ latency: { startMs: 2_000 } });
    const started = host.start(web, machineRequest, hardware, open);
    await clock.advance(1_999);
    expect(await host.observe(web)).toMatchObject({ state: 'Prelaunch' });
    await clock.advance(1);
    await started;
    expect(await host.observe(web)).toMatchObject({ state: 'Running' });
  });

  it('lets a shutdown take its time, once for all requests', async () => {
    const { clock, driver } = machineHost();
    const host = driver({ latency: { shutdownMs: 5_000 } });
    await host.start(web, machineRequest, hardware, open);
    await host.shutdown(web);
    await clock.advance(4_000);
    await host.shutdown(web);
    expect(await host.observe(web)).toMatchObject({ state: 'Running' });
    const heard: string[] = [];
    host.watch((id) => heard.push(id));
    await clock.advance(1_000);
    expect(heard).toEqual([web.id]);
    expect(await host.observe(web)).toEqual({ state: 'Off', ended: 'PoweredOff' });
  });

  it('lets a guest follow its shutdown request while the agent is away', async () => {
    const { clock, driver } = machineHost();
    const before = driver({ latency: { shutdownMs: 5_000 } });
    await before.start(web, machineRequest, hardware, open);
    await before.shutdown(web);
    await before.close();
    await clock.advance(60_000);
    const after = driver();
    expect(await after.observe(web)).toEqual({ state: 'Off', ended: 'PoweredOff' });
    expect(await after.discover()).toEqual([]);
  });

  it('goes on with a shutdown that the agent before had begun', async () => {
    const { clock, driver } = machineHost();
    const before = driver({ latency: { shutdownMs: 5_000 } });
    await before.start(web, machineRequest, hardware, open);
    await before.shutdown(web);
    await before.close();
    const after = driver();
    const heard: string[] = [];
    after.watch((id) => heard.push(id));
    expect(await after.observe(web)).toMatchObject({ state: 'Running' });
    await clock.advance(5_000);
    expect(heard).toEqual([web.id]);
  });
});

describe('faults', () => {
  it('makes starts fail so often as told, with a reason', async () => {
    const { driver } = machineHost();
    const host = driver({ faults: { web: { failStarts: 2 } } });
    const start = () => host.start(web, machineRequest, hardware, open);
    await expect(start()).rejects.toMatchObject({ reason: 'SimulatedStartFailure' });
    await expect(start()).rejects.toMatchObject({ reason: 'SimulatedStartFailure' });
    await start();
    expect(await host.observe(web)).toMatchObject({ state: 'Running' });
  });

  it('does not touch other guests', async () => {
    const { driver } = machineHost();
    const host = driver({ faults: { web: { failStarts: 2 } } });
    await host.start(simulatedGuest('db'), machineRequest, hardware, open);
    expect(await host.discover()).toHaveLength(1);
  });

  it('lets a guest ignore shutdown requests, but not a kill', async () => {
    const { driver } = machineHost();
    const host = driver({ faults: { '*': { ignoreShutdown: true } } });
    await host.start(web, machineRequest, hardware, open);
    await host.shutdown(web);
    expect(await host.observe(web)).toMatchObject({ state: 'Running' });
    await host.kill(web);
    expect(await host.observe(web)).toEqual({ state: 'Off' });
  });

  it('crashes a guest some time after each start, but not the run that follows a kill', async () => {
    const { clock, driver } = machineHost();
    const faults = { web: { crashAfterMs: 3_000 } as { crashAfterMs?: number } };
    const host = driver({ faults });
    await host.start(web, machineRequest, hardware, open);
    await clock.advance(3_000);
    expect(await host.observe(web)).toEqual({ state: 'Off', ended: 'Crashed' });
    await host.start(web, machineRequest, hardware, open);
    await host.kill(web);
    delete faults.web.crashAfterMs;
    await host.start(web, machineRequest, hardware, open);
    await clock.advance(3_000);
    expect(await host.observe(web)).toMatchObject({ state: 'Running' });
  });

  it('ends all guests when the host reboots', async () => {
    const { driver } = machineHost();
    const host = driver();
    await host.start(web, machineRequest, hardware, open);
    await host.rebootHost();
    expect(await host.observe(web)).toEqual({ state: 'Off', ended: 'HostRebooted' });
  });
});

describe('live changes', () => {
  it('applies a link state and a grown disk at once', async () => {
    const { driver } = machineHost();
    const host = driver();
    await host.start(web, machineRequest, hardware, open);
    const request = {
      ...machineRequest,
      disks: machineRequest.disks.map((disk) => ({ ...disk, sizeBytes: 2 * disk.sizeBytes })),
      networks: machineRequest.networks.map((nic) => ({ ...nic, linkState: 'Down' as const })),
    };
    expect(await host.update(web, request)).toEqual([]);
  });
});

describe('a thousand guests', () => {
  it('start in few writes and leave no timer behind', async () => {
    const { clock, files, driver } = machineHost();
    const host = driver();
    const names = Array.from({ length: 1_000 }, (_, index) => `g${index}`);
    await Promise.all(names.map((name) => host.start(simulatedGuest(name), machineRequest, hardware, open)));
    expect(files.writes()).toBeLessThan(20);
    expect(clock.pending()).toBe(0);
    expect(await driver().discover()).toHaveLength(1_000);
  });

  it('are durable as soon as their start has resolved', async () => {
    const { driver } = machineHost();
    const host = driver();
    const starts = ['a', 'b', 'c'].map(async (name) => {
      await host.start(simulatedGuest(name), machineRequest, hardware, open);
      expect(await driver().discover()).toContain(simulatedGuest(name).id);
    });
    await Promise.all(starts);
  });
});

describe('a broken state file', () => {
  it('is said, and not taken for an empty host', async () => {
    const { files, driver } = machineHost();
    await files.writeAtomic('/state/guests.sim', '{"id":"web');
    await expect(driver().discover()).rejects.toMatchObject({
      reason: 'SimulatedStateBroken',
      stalled: true,
    });
  });
});
