/** A guest that QEMU has stopped because a disk could not be written: it goes on by itself when there is room again. */
import { describe, expect, it } from 'vitest';
import { type DriveDeps, drivePower } from '../../../src/agent/guests/drive.ts';
import { GateClosed } from '../../../src/agent/guests/gate.ts';
import { emptyMemory, type GuestScope, pausedMessage } from '../../../src/agent/guests/scope.ts';
import type { GuestObservation } from '../../../src/drivers/hypervisor/contract.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

const standing = { process: { pid: 1, startTicks: 1, bootId: 'b' }, startedAt: '2026-01-01T00:00:00Z' };
const stopped: GuestObservation = { ...standing, state: 'Paused', storageFailed: true };
const paused: GuestObservation = { ...standing, state: 'Paused' };

function guest(observation: GuestObservation, resume: () => Promise<void> = async () => {}) {
  const clock = createFakeClock();
  let resumed = 0;
  const deps = {
    strategy: 'Always',
    shutdown: { timeoutMs: 60_000, force: 'AfterTimeout' },
    now: () => clock.now(),
    readRun: () => ({ live: { since: 0 } }),
    writeRun: async () => {},
    restartForChanges: () => undefined,
    restartToken: undefined,
    blocked: () => ({ type: 'done' }),
    resume: async () => {
      resumed += 1;
      await resume();
    },
  } as unknown as DriveDeps;
  const scope = { observation, memory: emptyMemory() } as unknown as GuestScope;
  return { clock, scope, pass: () => drivePower(deps, scope), resumed: () => resumed };
}

describe('a guest that its storage has stopped', () => {
  it('is let go on every ten seconds, and not before', async () => {
    const { clock, pass, resumed } = guest(stopped);
    expect(await pass()).toMatchObject({ type: 'waiting', reason: 'StorageFailed', afterMs: 10_000 });
    expect(resumed()).toBe(0);
    await clock.advance(9_000);
    await pass();
    expect(resumed()).toBe(0);
    await clock.advance(1_000);
    await pass();
    expect(resumed()).toBe(1);
    await pass();
    expect(resumed()).toBe(1);
    await clock.advance(10_000);
    await pass();
    expect(resumed()).toBe(2);
  });

  it('waits at a gate that is closed, and tries again', async () => {
    const { clock, pass, resumed } = guest(stopped, () =>
      Promise.reject(new GateClosed('LeaseNotHeld', "this host's lease is not valid")),
    );
    await pass();
    await clock.advance(10_000);
    expect(await pass()).toMatchObject({ type: 'waiting', reason: 'StorageFailed' });
    expect(resumed()).toBe(1);
  });

  it('is told from one that somebody has paused, which nobody lets go on', async () => {
    const { clock, pass, resumed } = guest(paused);
    await pass();
    await clock.advance(60_000);
    expect(await pass()).toMatchObject({ type: 'done' });
    expect(resumed()).toBe(0);
    expect(pausedMessage(stopped)).toMatch(/make room in its pool/);
    expect(pausedMessage(paused)).toMatch(/then restart it/);
  });
});
