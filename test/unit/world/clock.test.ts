import { describe, expect, it } from 'vitest';
import { realClock } from '../../../src/main/world/clock.ts';

describe('the real clock', () => {
  it('counts the time a machine was suspended, and never goes back', () => {
    let bootMs = 1_000_000;
    let wallMs = 5_000_000;
    const clock = realClock({
      bootTimeMs: () => bootMs + performance.now(),
      wallMs: () => wallMs + performance.now(),
    });
    const before = clock.monotonic();
    bootMs += 60_000;
    wallMs += 60_000;
    const after = clock.monotonic();
    expect(after - before).toBeGreaterThanOrEqual(60_000);
    bootMs -= 30_000;
    expect(clock.monotonic()).toBeGreaterThanOrEqual(after);
  });

  it('agrees with the machine’s uptime by default', () => {
    const clock = realClock();
    const first = clock.monotonic();
    expect(clock.monotonic() - first).toBeLessThan(1_000);
  });

  it('ends a sleep with the reason of the signal', async () => {
    const stop = new AbortController();
    const sleeping = realClock().sleep(3_600_000, stop.signal);
    stop.abort(new Error('enough'));
    await expect(sleeping).rejects.toThrow('enough');
  });

  it('refuses to sleep when the signal came first', async () => {
    await expect(realClock().sleep(1, AbortSignal.abort(new Error('early')))).rejects.toThrow('early');
  });

  it('waits for delays that setTimeout would run at once', async () => {
    let ran = false;
    const cancel = realClock().after(2 ** 31 + 5, () => {
      ran = true;
    });
    await realClock().sleep(5);
    cancel();
    expect(ran).toBe(false);
  });
});
