import { describe, expect, it } from 'vitest';
import { DEFAULT_HA_TIMINGS } from '../../../src/api/haTimings.ts';
import { createHost } from './host.ts';

const { selfFenceAfter, killTime, renewInterval } = DEFAULT_HA_TIMINGS;
const DEAD_BY = selfFenceAfter + killTime;
/** What the keeper asks of the device by default. */
const TIMEOUT = 5_000;

/** A host with a watchdog, whose guest `a` is guarded; everything is well for ten seconds. */
async function settled() {
  const host = createHost({ hasWatchdog: true });
  const keeper = await host.start();
  await host.guest(keeper, 'a');
  await host.clock.advance(10_000);
  return { host, keeper };
}

/** The base of the deadline that an acknowledged Lease has set. */
const lastSent = (host: ReturnType<typeof createHost>) => host.written.at(-1)?.sentAt ?? 0;

describe('the watchdog of a host', () => {
  it('is ready, and off, while nothing is guarded', async () => {
    const host = createHost({ hasWatchdog: true });
    const keeper = await host.start();
    await host.clock.advance(5_000);
    expect(keeper.state().watchdog).toBe('Ready');
    expect(host.dog.firesAt()).toBeUndefined();
    expect(host.lease()).toMatchObject({ armed: false, timings: { watchdogTimeout: 0 } });
  });

  it('is armed before a Lease lists the first guest, and that Lease says so, and how long it may take', async () => {
    const { host, keeper } = await settled();
    const listing = host.written.find(({ guarded }) => guarded.length > 0);
    expect(listing).toMatchObject({ armed: true, timings: { watchdogTimeout: DEAD_BY + TIMEOUT } });
    expect(host.dog.feedings[0]).toBeLessThanOrEqual(listing?.sentAt ?? 0);
    expect(keeper.state().watchdog).toBe('Armed');
  });

  it('never fires while the host is heard', async () => {
    const { host } = await settled();
    for (let second = 0; second < 60; second += 1) {
      await host.clock.advance(1_000);
      expect(host.dog.firesAt()).toBeGreaterThan(host.clock.monotonic());
    }
  });

  it('is disarmed once no Lease says that it is armed, not before', async () => {
    const { host, keeper } = await settled();
    host.world.losesAnswers = true;
    void keeper.release('uid-a@1');
    await host.clock.advance(1_500);
    expect(host.dog.firesAt()).toBeDefined();
    host.world.losesAnswers = false;
    await host.clock.advance(3_000);
    expect(host.lease()).toMatchObject({ guarded: [], armed: false });
    expect(host.dog.firesAt()).toBeUndefined();
    expect(keeper.state().watchdog).toBe('Ready');
  });

  it('is disarmed when high availability is switched off', async () => {
    const { host, keeper } = await settled();
    host.world.isApiAway = true;
    await keeper.forget();
    expect(host.dog.firesAt()).toBeUndefined();
  });
});

describe('a keeper that nobody hears', () => {
  it('feeds for the last time so that the host would be reset when its guests must be dead', async () => {
    const { host } = await settled();
    const base = lastSent(host);
    host.world.isApiAway = true;
    await host.clock.advance(selfFenceAfter - 1_000);
    expect(host.dog.firesAt()).toBeLessThanOrEqual(base + DEAD_BY);
    expect(host.dog.firesAt()).toBeGreaterThan(base + DEAD_BY - 500);
  });

  it('disarms it when all guests are dead, and the host is not reset', async () => {
    const { host } = await settled();
    host.world.isApiAway = true;
    await host.clock.advance(20_000);
    expect(host.guests.get('a')).toBe('Dead');
    expect(host.dog.firesAt()).toBeUndefined();
  });

  it('lets it fire when a guest does not die', async () => {
    const { host } = await settled();
    const base = lastSent(host);
    host.world.isApiAway = true;
    host.world.failedKills = 1_000;
    await host.clock.advance(20_000);
    expect(host.guests.get('a')).not.toBe('Dead');
    expect(host.dog.firesAt()).toBeLessThanOrEqual(base + DEAD_BY);
  });

  it('goes on feeding when peers excuse it, through an outage of any length', async () => {
    const { host } = await settled();
    host.world.isApiAway = true;
    for (const name of ['h2', 'h3']) host.world.peers.set(name, 60_000);
    for (let second = 0; second < 120; second += 1) {
      await host.clock.advance(1_000);
      expect(host.dog.firesAt()).toBeGreaterThan(host.clock.monotonic());
    }
    expect(host.guests.get('a')).not.toBe('Dead');
  });
});

describe('a keeper that is stuck or killed', () => {
  it.each([0, 3_000, 6_000, 9_000, 11_000])(
    'killed %d ms after the last renewal has the host reset before its Lease says that is certain',
    async (ms) => {
      const { host, keeper } = await settled();
      const base = lastSent(host);
      host.world.isApiAway = true;
      await host.clock.advance(base + ms - host.clock.monotonic());
      const { watchdogTimeout = 0 } = host.lease()?.timings ?? {};
      keeper.end();
      await host.clock.advance(1_000);
      expect(host.dog.firesAt()).toBeLessThanOrEqual(base + watchdogTimeout);
    },
  );

  it('is followed by one that takes the device over and feeds it while it may', async () => {
    const { host, keeper } = await settled();
    keeper.end();
    await host.clock.advance(1_000);
    const next = await host.start();
    for (let second = 0; second < 20; second += 1) {
      await host.clock.advance(1_000);
      expect(host.dog.firesAt()).toBeGreaterThan(host.clock.monotonic());
    }
    expect(next.state().watchdog).toBe('Armed');
    expect(host.lease()).toMatchObject({ armed: true, term: 1 });
  });

  it('is followed by one that does not touch the device when it comes too late to feed it', async () => {
    const { host, keeper } = await settled();
    const base = lastSent(host);
    host.world.isApiAway = true;
    await host.clock.advance(10_500);
    keeper.end();
    const firesAt = host.dog.firesAt();
    await host.start();
    await host.clock.advance(900);
    expect(host.clock.monotonic()).toBeLessThan(base + selfFenceAfter);
    expect(host.dog.firesAt()).toBe(firesAt);
  });
});

describe('a device that does not do', () => {
  it('with a timeout too long for the times is not used, and no Lease says it is', async () => {
    const host = createHost({ hasWatchdog: true });
    host.dog.leastMs = 30_000;
    const keeper = await host.start();
    await host.guest(keeper, 'a');
    await host.clock.advance(5_000);
    expect(keeper.state().watchdog).toBe('None');
    expect(host.lease()).toMatchObject({ armed: false, guarded: ['uid-a@1'] });
  });

  it('because somebody else holds it, is taken as soon as it can be had', async () => {
    const host = createHost({ hasWatchdog: true });
    host.dog.isBusy = true;
    const keeper = await host.start();
    await host.guest(keeper, 'a');
    await host.clock.advance(2_000);
    expect(host.lease()).toMatchObject({ armed: false });
    host.dog.isBusy = false;
    await host.clock.advance(8_000);
    expect(host.lease()).toMatchObject({ armed: true });
    expect(keeper.state().watchdog).toBe('Armed');
  });

  it('any more, because the times have become shorter, is disarmed by way of the Lease and set anew', async () => {
    const { host, keeper } = await settled();
    host.world.timings = { ...DEFAULT_HA_TIMINGS, pause: 5_000 };
    for (let second = 0; second < 15; second += 1) {
      await host.clock.advance(1_000);
      expect(host.dog.firesAt() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(host.clock.monotonic());
    }
    expect(host.lease()).toMatchObject({ armed: true, timings: { watchdogTimeout: DEAD_BY + 7_000 } });
    expect(keeper.state().watchdog).toBe('Armed');
  });

  it('with its feeding out of order resets the host, as the Lease says', async () => {
    const { host } = await settled();
    host.dog.device.feed = () => {
      throw new Error('EIO');
    };
    await host.clock.advance(3 * renewInterval);
    expect(host.lease()).toMatchObject({ armed: true });
    expect(host.dog.firesAt()).toBeLessThan(host.clock.monotonic() + TIMEOUT - 2 * renewInterval);
  });
});

describe('a host that may be reset without a watchdog', () => {
  /** Nobody hears it, and its guest dies only after so many tries. */
  async function unheard(failedKills: number, { hasWatchdog = false } = {}) {
    const host = createHost({ mayReset: true, hasWatchdog });
    const keeper = await host.start();
    await host.guest(keeper, 'a');
    await host.clock.advance(10_000);
    const base = lastSent(host);
    Object.assign(host.world, { isApiAway: true, failedKills });
    await host.clock.advance(20_000);
    return host.when('reset', base);
  }

  it('is, when a guest does not die in time', async () => {
    const [resetAt = 0] = await unheard(1_000);
    expect(resetAt).toBeGreaterThanOrEqual(DEAD_BY);
    expect(resetAt).toBeLessThanOrEqual(DEAD_BY + 500);
  });

  it('is not when its guests die in time', async () => {
    expect(await unheard(3)).toEqual([]);
  });

  it('leaves that to its watchdog where it has one', async () => {
    expect(await unheard(1_000, { hasWatchdog: true })).toEqual([]);
  });
});
