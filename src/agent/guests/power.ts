/**
 * What is to be done about a guest's power: one pure function over the run strategy, the recorded run state and what stands on the host.
 *
 * | runStrategy | first seen | guest powers off | crash, host reboot | Start | Stop/Shutdown |
 * |---|---|---|---|---|---|
 * | Always | start | start | start, back-off | no-op | refused |
 * | RerunOnFailure | start | stays off | start, back-off | start | stays off until Start |
 * | Manual | off | stays off | stays off | start | stops |
 * | Halted | off | - | - | refused | no-op |
 */
import type { RunStrategy } from '../../api/guest.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { RunState } from '../record.ts';
import { HELD_AFTER_MS } from './run.ts';

export type PowerFacts = {
  strategy: RunStrategy;
  restartToken?: string;
  /** The pending changes an automatic restart would apply; absent: none, or restarts are left to people. */
  restartForChanges?: string;
  shutdown: { timeoutMs: number; force: 'AfterTimeout' | 'Never' };
  /** Volumes or networks are missing: a guest that runs is not stopped for a restart it could not come back from. */
  startBlocked: boolean;
  run: RunState;
  observation: GuestObservation;
  /** Wall clock, milliseconds. */
  now: number;
};

export type PowerDecision =
  /** As declared. `recheckMs`: look again then although nothing changes. */
  | { type: 'rest'; recheckMs?: number }
  /** The run state alone moves; then decide again. */
  | { type: 'adopt' | 'held' | 'noteToken' | 'dropStop' }
  /** The run is over: write its end down; then decide again. */
  | { type: 'account' }
  | { type: 'start' }
  /** Record the stop, then ask (or force) the guest. */
  | { type: 'stop'; force: boolean; restart: boolean; changes?: string }
  /** A stop is recorded: end the guest by force now. */
  | { type: 'kill' }
  /** A stop is recorded and its time not over, or force is not allowed. */
  | { type: 'await'; reason: 'ShuttingDown' | 'ShutdownTimedOut'; afterMs: number }
  | { type: 'backOff'; afterMs: number }
  | { type: 'stuck'; reason: string; message: string };

/** On, Off, or as it is: Manual without a request leaves the guest alone. */
export function wantedPower(strategy: RunStrategy, run: RunState): 'On' | 'Off' | 'AsIs' {
  switch (strategy) {
    case 'Always':
      return 'On';
    case 'Halted':
      return 'Off';
    case 'RerunOnFailure':
      return run.request?.action === 'Stop' ? 'Off' : 'On';
    case 'Manual':
      return run.request === undefined ? 'AsIs' : run.request.action === 'Start' ? 'On' : 'Off';
  }
}

/** The next step; called again after each until it rests or waits. */
export function decidePower(facts: PowerFacts): PowerDecision {
  const { observation } = facts;
  switch (observation.state) {
    case 'Unmanageable':
      return decideUnmanageable(facts, observation);
    case 'Off':
      return decideOff(facts);
    case 'Prelaunch':
      return decidePrelaunch(facts);
    case 'Incoming':
    case 'HandedOver':
      // Its migration decides where it goes on; a start or an end here could make two of one, or none.
      return { type: 'rest' };
    case 'Running':
    case 'Paused':
      return decideOn(facts);
  }
}

/** It cannot be asked. Only one that is certainly ours and wanted off is ended, after the time a guest has to shut down. */
function decideUnmanageable(
  { strategy, run, shutdown, now }: PowerFacts,
  { reason, message, killable }: Extract<GuestObservation, { state: 'Unmanageable' }>,
): PowerDecision {
  const stuck: PowerDecision = { type: 'stuck', reason, message };
  if (killable !== true || wantedPower(strategy, run) !== 'Off') return stuck;
  const force = run.request?.force === true;
  if (run.stop === undefined) return { type: 'stop', force, restart: false };
  if (force || run.stop.force) return { type: 'kill' };
  return run.stop.deadline <= now && shutdown.force === 'AfterTimeout' ? { type: 'kill' } : stuck;
}

function decideOff({ strategy, restartToken, run, now }: PowerFacts): PowerDecision {
  if (run.live !== undefined || run.stop !== undefined) return { type: 'account' };
  const wanted = wantedPower(strategy, run);
  if (wanted === 'On' || (run.restart === true && wanted !== 'Off')) {
    const leftMs = (run.failure?.retryAt ?? 0) - now;
    return leftMs > 0 ? { type: 'backOff', afterMs: leftMs } : { type: 'start' };
  }
  if (restartToken !== undefined && restartToken !== run.restartedFor) return { type: 'noteToken' };
  // Whoever has it stay off looks into why it did not start: it is tried anew after that.
  return wanted === 'Off' && run.failure !== undefined ? { type: 'held' } : { type: 'rest' };
}

/** A start was interrupted before the guest's first instruction: finish it or take it back. */
function decidePrelaunch({ strategy, run }: PowerFacts): PowerDecision {
  if (run.stop !== undefined || wantedPower(strategy, run) === 'Off') return { type: 'kill' };
  return { type: 'start' };
}

function decideOn(facts: PowerFacts): PowerDecision {
  const { run, strategy } = facts;
  if (run.live === undefined) return { type: 'adopt' };
  const wanted = wantedPower(strategy, run);
  if (run.stop !== undefined) return decideStopping(facts, run.stop, wanted);
  if (wanted === 'Off') return { type: 'stop', force: run.request?.force === true, restart: false };
  return decideRestart(facts) ?? decideHeld(facts, run.live.since);
}

function decideStopping(
  { run, shutdown, now }: PowerFacts,
  stop: NonNullable<RunState['stop']>,
  wanted: 'On' | 'Off' | 'AsIs',
): PowerDecision {
  if (stop.force || (wanted === 'Off' && run.request?.force === true)) return { type: 'kill' };
  const leftMs = stop.deadline - now;
  if (leftMs > 0) return { type: 'await', reason: 'ShuttingDown', afterMs: leftMs };
  if (shutdown.force === 'AfterTimeout') return { type: 'kill' };
  if (wanted === 'On' && !stop.restart) return { type: 'dropStop' };
  return { type: 'await', reason: 'ShutdownTimedOut', afterMs: 60_000 };
}

function decideRestart(facts: PowerFacts): PowerDecision | undefined {
  const { run, restartToken, restartForChanges, startBlocked } = facts;
  if (startBlocked) return undefined;
  if (run.restart === true || (restartToken !== undefined && restartToken !== run.restartedFor)) {
    return { type: 'stop', force: false, restart: true };
  }
  if (restartForChanges !== undefined && restartForChanges !== run.restartedForChanges) {
    return { type: 'stop', force: false, restart: true, changes: restartForChanges };
  }
  return undefined;
}

function decideHeld({ run, now }: PowerFacts, since: number): PowerDecision {
  if (run.failure === undefined) return { type: 'rest' };
  const leftMs = since + HELD_AFTER_MS - now;
  return leftMs > 0 ? { type: 'rest', recheckMs: leftMs } : { type: 'held' };
}
