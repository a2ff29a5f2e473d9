import { describe, expect, it } from 'vitest';
import { decidePower, type PowerFacts } from '../../../src/agent/guests/power.ts';
import {
  acceptOperation,
  beginRun,
  beginStop,
  endRun,
  failRun,
  HELD_AFTER_MS,
  withRun,
} from '../../../src/agent/guests/run.ts';
import type { GuestRecord, Incoming, RunState } from '../../../src/agent/record.ts';
import type { RunStrategy } from '../../../src/api/guest.ts';
import type { GuestEnd, GuestObservation } from '../../../src/drivers/hypervisor/contract.ts';

const NOW = Date.UTC(2026, 0, 1);
const off: GuestObservation = { state: 'Off' };
const up: GuestObservation = {
  state: 'Running',
  process: { pid: 1, startTicks: 1, bootId: 'b' },
  startedAt: '2026-01-01T00:00:00Z',
};
const immediately = () => 0;
const slowly = (count: number) => count * 1_000;

function decide(
  strategy: RunStrategy,
  run: RunState,
  observation: GuestObservation,
  more: Partial<PowerFacts> = {},
) {
  const shutdown = { timeoutMs: 60_000, force: 'AfterTimeout' as const };
  return decidePower({ strategy, run, observation, shutdown, now: NOW, startBlocked: false, ...more });
}

/** What becomes of a guest that ran for ten minutes and ended like this. */
function afterEnd(strategy: RunStrategy, end: GuestEnd, before: RunState = {}) {
  const run = beginRun(before, undefined, NOW - 600_000);
  expect(decide(strategy, run, { state: 'Off', ended: end })).toEqual({ type: 'account' });
  return decide(strategy, endRun(run, end, strategy, NOW, slowly), off);
}

function operation(
  action: 'Start' | 'Stop' | 'Shutdown' | 'Restart',
  strategy: RunStrategy,
  run: RunState,
): RunState {
  const accepted = { uid: 'u', name: 'op', createdAt: '2026-01-01T00:00:00Z', acceptedAt: NOW };
  return acceptOperation(run, accepted, { action, strategy });
}

const start = { type: 'start' };
const rest = { type: 'rest' };
const backOff = { type: 'backOff', afterMs: 1_000 };
const live: RunState = { live: { since: NOW - 600_000 } };

describe('the table of run strategies', () => {
  it.each([
    ['Always', start, start, backOff, start],
    ['RerunOnFailure', start, rest, backOff, start],
    ['Manual', rest, rest, rest, rest],
    ['Halted', rest, rest, rest, rest],
  ] as const)(
    '%s: first seen, after power-off, after a crash, after a reboot of the host',
    (strategy, first, powerOff, crash, reboot) => {
      expect(decide(strategy, {}, off)).toEqual(first);
      expect(afterEnd(strategy, 'PoweredOff')).toEqual(powerOff);
      expect(afterEnd(strategy, 'Crashed')).toEqual(crash);
      expect(afterEnd(strategy, 'HostRebooted')).toEqual(reboot);
    },
  );

  it.each(['RerunOnFailure', 'Manual'] as const)(
    '%s: Start starts, Stop ends by force, Shutdown asks first',
    (strategy) => {
      const stopped = endRun({ ...live }, 'PoweredOff', strategy, NOW, slowly);
      expect(decide(strategy, stopped, off)).toEqual(rest);
      expect(decide(strategy, operation('Start', strategy, stopped), off)).toEqual(start);
      expect(decide(strategy, operation('Stop', strategy, live), up)).toMatchObject({
        type: 'stop',
        force: true,
      });
      expect(decide(strategy, operation('Shutdown', strategy, live), up)).toMatchObject({
        type: 'stop',
        force: false,
      });
    },
  );

  it('RerunOnFailure stays off after Stop, whatever comes, until Start', () => {
    const run = operation('Stop', 'RerunOnFailure', live);
    const stopping = beginStop(run, { now: NOW, timeoutMs: 1, force: true, restart: false });
    const ended = endRun(stopping, 'Crashed', 'RerunOnFailure', NOW, slowly);
    expect(decide('RerunOnFailure', ended, off)).toEqual(rest);
  });

  it('Manual leaves a guest that runs alone', () => {
    expect(decide('Manual', live, up)).toEqual(rest);
  });

  it('Halted shuts a running guest down', () => {
    expect(decide('Halted', live, up)).toMatchObject({ type: 'stop', force: false, restart: false });
  });

  it('Manual stays off when a guest that was started by an operation crashes', () => {
    const started = beginRun(operation('Start', 'Manual', {}), undefined, NOW - 600_000);
    expect(decide('Manual', endRun(started, 'Crashed', 'Manual', NOW, slowly), off)).toEqual(rest);
  });
});

describe('a stop', () => {
  const stop = (options: { force?: boolean; restart?: boolean } = {}) =>
    beginStop(live, { now: NOW - 30_000, timeoutMs: 60_000, force: false, restart: false, ...options });

  it('is waited for until its time is over, then made by force', () => {
    expect(decide('Halted', stop(), up)).toEqual({ type: 'await', reason: 'ShuttingDown', afterMs: 30_000 });
    expect(decide('Halted', stop(), up, { now: NOW + 30_000 })).toEqual({ type: 'kill' });
  });

  it('goes on for ever when force is not allowed, and is dropped when the guest is wanted again', () => {
    const shutdown = { timeoutMs: 60_000, force: 'Never' as const };
    const late = { shutdown, now: NOW + 30_000 };
    expect(decide('Halted', stop(), up, late)).toMatchObject({ type: 'await', reason: 'ShutdownTimedOut' });
    expect(decide('Always', stop(), up, late)).toEqual({ type: 'dropStop' });
  });

  it('of ours is no power-off of the guest: Always starts it again only because it is Always', () => {
    const ended = endRun(stop(), 'PoweredOff', 'RerunOnFailure', NOW, slowly);
    expect(ended.request).toBeUndefined();
    expect(ended.failure).toBeUndefined();
  });

  it('is hurried by an Operation Stop', () => {
    const hurried = operation('Stop', 'RerunOnFailure', stop());
    expect(decide('RerunOnFailure', hurried, up)).toEqual({ type: 'kill' });
  });
});

describe('a restart', () => {
  it('is made once for a changed token, and none for one that was there at the start', () => {
    const run = beginRun({}, 'a', NOW);
    expect(decide('Always', run, up, { restartToken: 'a' })).toEqual(rest);
    expect(decide('Always', run, up, { restartToken: 'b' })).toMatchObject({ type: 'stop', restart: true });
    const stopped = endRun(
      beginStop(run, { now: NOW, timeoutMs: 1, force: false, restart: true }),
      'PoweredOff',
      'Manual',
      NOW,
      slowly,
    );
    expect(decide('Manual', stopped, off, { restartToken: 'b' })).toEqual(start);
    expect(decide('Manual', beginRun(stopped, 'b', NOW), up, { restartToken: 'b' })).toEqual(rest);
  });

  it('only remembers a token that changes while the guest is off', () => {
    expect(decide('Manual', {}, off, { restartToken: 'b' })).toEqual({ type: 'noteToken' });
  });

  it('is made once for pending changes when the update policy is Automatic', () => {
    expect(decide('Always', live, up, { restartForChanges: 'x' })).toMatchObject({
      type: 'stop',
      restart: true,
      changes: 'x',
    });
    const tried: RunState = { ...live, restartedForChanges: 'x' };
    expect(decide('Always', tried, up, { restartForChanges: 'x' })).toEqual(rest);
  });

  it('is put off while the guest could not be started again', () => {
    const run = beginRun({}, 'a', NOW);
    expect(decide('Always', run, up, { restartToken: 'b', startBlocked: true })).toEqual(rest);
  });
});

describe('failures', () => {
  it('start at once after the first crash and later after each more, and are forgotten when a run holds', () => {
    let run: RunState = {};
    const waits: (number | string)[] = [];
    for (let crash = 0; crash < 3; crash += 1) {
      run = endRun(beginRun(run, undefined, NOW), 'Crashed', 'Always', NOW, (count) => (count - 1) * 1_000);
      const decision = decide('Always', run, off);
      waits.push(decision.type === 'backOff' ? decision.afterMs : decision.type);
    }
    expect(waits).toEqual(['start', 1_000, 2_000]);
    const again = beginRun(run, undefined, NOW);
    expect(decide('Always', again, up)).toEqual({ type: 'rest', recheckMs: HELD_AFTER_MS });
    expect(decide('Always', again, up, { now: NOW + HELD_AFTER_MS })).toEqual({ type: 'held' });
  });

  it('are forgotten when somebody has the guest stay off', () => {
    const run = failRun(beginRun({}, undefined, NOW), { reason: 'x', message: 'y' }, NOW, slowly);
    expect(decide('Always', run, off)).toMatchObject({ type: 'backOff' });
    expect(decide('Halted', run, off)).toEqual({ type: 'held' });
    expect(decide('Halted', {}, off)).toEqual({ type: 'rest' });
  });

  it('count a guest under Always that powers itself off right after each start', () => {
    const run = endRun(beginRun({}, undefined, NOW), 'PoweredOff', 'Always', NOW + 1_000, slowly);
    expect(run.failure?.count).toBe(1);
  });
});

describe('a guest that does not answer and is certainly ours', () => {
  const lost: GuestObservation = {
    state: 'Unmanageable',
    reason: 'MonitorLost',
    message: 'm',
    killable: true,
  };

  it('is left alone while it is wanted', () => {
    expect(decide('Always', { live: { since: NOW } }, lost)).toMatchObject({ type: 'stuck' });
    expect(decide('Manual', { live: { since: NOW } }, lost)).toMatchObject({ type: 'stuck' });
  });

  it('is ended when it is wanted off and the time of a shutdown is over', () => {
    const live = { live: { since: NOW } };
    expect(decide('Halted', live, lost)).toEqual({ type: 'stop', force: false, restart: false });
    const stopping = beginStop(live, { now: NOW, timeoutMs: 60_000, force: false, restart: false });
    expect(decide('Halted', stopping, lost)).toMatchObject({ type: 'stuck' });
    expect(decide('Halted', stopping, lost, { now: NOW + 60_000 })).toEqual({ type: 'kill' });
  });

  it('is ended at once by an Operation Stop', () => {
    const request = { action: 'Stop' as const, by: 'operation/s', at: '', force: true };
    const run = { live: { since: NOW }, request };
    expect(decide('Manual', run, lost)).toEqual({ type: 'stop', force: true, restart: false });
    const stopping = beginStop(run, { now: NOW, timeoutMs: 60_000, force: true, restart: false });
    expect(decide('Manual', stopping, lost)).toEqual({ type: 'kill' });
  });
});

describe('what is not understood', () => {
  it('is never started and never ended', () => {
    const stuck: GuestObservation = { state: 'Unmanageable', reason: 'MonitorSilent', message: 'm' };
    for (const strategy of ['Always', 'Halted', 'Manual', 'RerunOnFailure'] as const) {
      expect(decide(strategy, {}, stuck)).toMatchObject({ type: 'stuck', reason: 'MonitorSilent' });
    }
  });

  it('that runs without a recorded run is adopted, and not restarted for its token', () => {
    expect(decide('Always', {}, up, { restartToken: 'a' })).toEqual({ type: 'adopt' });
  });

  it('a start that was interrupted is finished, or taken back when the guest is wanted off', () => {
    const prelaunch: GuestObservation = { ...up, state: 'Prelaunch' };
    expect(decide('Always', live, prelaunch)).toEqual(start);
    expect(decide('Halted', live, prelaunch)).toEqual({ type: 'kill' });
  });

  it('an end is accounted for once: what the driver still says of it later counts no more', () => {
    const run = endRun(live, 'PoweredOff', 'RerunOnFailure', NOW, immediately);
    const asked = operation('Start', 'RerunOnFailure', run);
    expect(decide('RerunOnFailure', asked, { state: 'Off', ended: 'PoweredOff' })).toEqual(start);
  });
});

describe('a guest that a move has brought', () => {
  const incoming: Incoming = {
    migration: { uid: 'm', namespace: 'default', name: 'move' },
    type: 'Offline',
    from: 'a',
    epoch: 2,
    made: [],
    home: true,
  };
  const arrived: GuestRecord = {
    version: 1,
    kind: 'Container',
    id: 'web',
    namespace: 'default',
    name: 'web',
    uid: 'u',
    uuid: 'v',
    epoch: 2,
    volumes: [],
    nics: [],
    incoming,
    run: {},
  };

  it('is known to have run once a run of it has ended, also when its next start fails', () => {
    const running = withRun(arrived, beginRun(arrived.run, undefined, NOW));
    expect(running.incoming).toEqual(incoming);
    const crashed = withRun(running, endRun(running.run, 'Crashed', 'Always', NOW, slowly));
    expect(crashed.incoming).toEqual({ ...incoming, arriving: true });
    const again = withRun(crashed, beginRun(crashed.run, undefined, NOW));
    const failed = withRun(again, failRun(again.run, { reason: 'x', message: 'y' }, NOW, slowly));
    expect(failed.incoming).toEqual({ ...incoming, arriving: true });
  });

  it('is known not to have run when its first start fails, or was never made', () => {
    const begun = withRun(arrived, beginRun(arrived.run, undefined, NOW));
    const failed = withRun(begun, failRun(begun.run, { reason: 'x', message: 'y' }, NOW, slowly));
    expect(failed.incoming).toEqual(incoming);
    const forgotten = withRun(begun, endRun(begun.run, undefined, 'Always', NOW, slowly));
    expect(forgotten.incoming).toEqual(incoming);
  });
});
