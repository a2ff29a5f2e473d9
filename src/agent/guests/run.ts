/** How a guest's recorded run state moves: pure functions from one state to the next, each written to disk before it is acted on. */
import type { RunStrategy } from '../../api/guest.ts';
import { timeOf } from '../../base/clock.ts';
import type { GuestEnd } from '../../drivers/hypervisor/contract.ts';
import type { AcceptedOperation, GuestRecord, RunState, StartFailure } from '../record.ts';

/** A run shorter than this that ends by itself counts as a failed start, and one longer clears earlier failures. */
export const HELD_AFTER_MS = 60_000;
/** Back-off between starts: the first is at once, then 1 s doubling up to 5 min. */
export const START_BACKOFF = { baseMs: 1_000, maxMs: 300_000 };

/** So often a guest is to go on from its memory before it is booted, whatever it fails of. */
const WAKE_TRIES = 3;

/** Milliseconds to wait before the start that follows failure number `count`. */
export type RetryDelay = (count: number) => number;

function without<K extends keyof RunState>(run: RunState, ...keys: readonly K[]): Omit<RunState, K> {
  return Object.fromEntries(
    Object.entries(run).filter(([key]) => !(keys as readonly string[]).includes(key)),
  ) as Omit<RunState, K>;
}

/** Requests count only under RerunOnFailure and Manual: under the others they are forgotten, so that they cannot come back later. */
export function underStrategy(run: RunState, strategy: RunStrategy): RunState {
  if (strategy === 'Always' && run.request !== undefined) return without(run, 'request');
  if (strategy === 'Halted' && (run.request !== undefined || run.restart !== undefined)) {
    return without(run, 'request', 'restart');
  }
  return run;
}

/** Before the driver is told to start. */
export function beginRun(run: RunState, restartToken: string | undefined, now: number): RunState {
  const next: RunState = {
    ...without(run, 'restart', 'stop', 'ended', 'restartedFor'),
    live: { since: now, ...(run.restart === true ? { restart: true } : {}) },
  };
  return restartToken === undefined ? next : { ...next, restartedFor: restartToken };
}

/** A run that was found although none was recorded: adopted as it is, never restarted for a token nobody can compare. */
function adoptRun(run: RunState, restartToken: string | undefined, since: number): RunState {
  const next: RunState = { ...run, live: { since } };
  const known = run.restartedFor ?? restartToken;
  return known === undefined ? next : { ...next, restartedFor: known };
}

/** Before the guest is asked, or forced, to stop. */
export function beginStop(
  run: RunState,
  options: { now: number; timeoutMs: number; force: boolean; restart: boolean; changes?: string },
): RunState {
  const { now, timeoutMs, force, restart, changes } = options;
  return {
    ...run,
    stop: { since: now, deadline: now + timeoutMs, force, restart },
    ...(changes === undefined ? {} : { restartedForChanges: changes }),
  };
}

/** The run has lasted: earlier failures are over. */
function heldRun(run: RunState): RunState {
  return without(run, 'failure');
}

function countFailure(
  run: RunState,
  cause: { reason: string; message: string },
  now: number,
  delay: RetryDelay,
): StartFailure {
  const count = (run.failure?.count ?? 0) + 1;
  return { count, at: now, retryAt: now + delay(count), ...cause };
}

/** The driver could not start the guest: nothing of it runs, and what failed now fails a moment later too. */
export function failRun(
  run: RunState,
  cause: { reason: string; message: string },
  now: number,
  delay: RetryDelay,
): RunState {
  // What cannot go on from its memory is booted: its disks are as after a power cut then.
  const isUnfit = cause.reason === 'MemoryUnfit' || (run.failure?.count ?? 0) >= WAKE_TRIES - 1;
  const over = isUnfit ? without(run, 'live', 'memory') : without(run, 'live');
  return { ...over, failure: countFailure(run, cause, now, (count) => delay(count + 1)) };
}

/** The start was forbidden at the gate: as if it had not been tried; what asked for it stays. */
export function forbidRun(run: RunState, before: RunState): RunState {
  return {
    ...without(run, 'live'),
    ...(before.restart === undefined ? {} : { restart: before.restart }),
    ...(before.restartedFor === undefined ? {} : { restartedFor: before.restartedFor }),
    ...(before.memory === undefined ? {} : { memory: before.memory }),
  };
}

/**
 * The guest is off and the run had not been accounted for: says what follows by the table of run strategies. A stop of ours makes it a
 * stop whatever the driver calls the end; without an end the run never began (the agent died before the driver acted).
 */
export function endRun(
  run: RunState,
  end: GuestEnd | undefined,
  strategy: RunStrategy,
  now: number,
  delay: RetryDelay,
): RunState {
  const over = without(run, 'live', 'stop');
  const ended = end === undefined ? {} : { ended: { how: end, at: timeOf(now) } };
  if (run.stop !== undefined) {
    const next: RunState = { ...without(over, 'failure'), ...ended };
    return run.stop.restart ? { ...next, restart: true } : next;
  }
  if (end === undefined) return run.live?.restart === true ? { ...over, restart: true } : over;
  const next: RunState = { ...over, ...ended };
  if (strategy === 'Halted') return next;
  if (strategy === 'Manual' || (strategy === 'RerunOnFailure' && end === 'PoweredOff')) {
    return { ...next, request: { action: 'Stop', by: ENDED_BY[end], at: timeOf(now) } };
  }
  if (end === 'HostRebooted') return next;
  if (end === 'PoweredOff' && now - (run.live?.since ?? now) >= HELD_AFTER_MS) return heldRun(next);
  return { ...next, failure: countFailure(heldRunIfLong(run, now), CAUSES[end], now, delay) };
}

/** The record with another state of running. A run that has ended here was one: what a move has brought is not given back any more. */
export function withRun(record: GuestRecord, run: RunState): GuestRecord {
  const hasRun = run.ended !== undefined && run.ended !== record.run.ended;
  if (record.incoming === undefined || !hasRun) return { ...record, run };
  return { ...record, run, incoming: { ...record.incoming, arriving: true } };
}

function heldRunIfLong(run: RunState, now: number): RunState {
  return run.live !== undefined && now - run.live.since >= HELD_AFTER_MS ? heldRun(run) : run;
}

const ENDED_BY: Readonly<Record<GuestEnd, string>> = {
  PoweredOff: 'guest',
  Crashed: 'crash',
  HostRebooted: 'host-reboot',
};

const CAUSES: Readonly<Record<'PoweredOff' | 'Crashed', { reason: string; message: string }>> = {
  PoweredOff: { reason: 'PoweredOff', message: 'the guest powers itself off soon after each start' },
  Crashed: {
    reason: 'Crashed',
    message: "the guest's process died; look at its log and at the host's memory",
  },
};

/** The moves of the run state that need nothing else to be done. `since`: when what runs was started, wall clock. */
export function moved(
  run: RunState,
  move: 'adopt' | 'held' | 'noteToken' | 'dropStop',
  restartToken: string | undefined,
  since: number,
): RunState {
  switch (move) {
    case 'adopt':
      return adoptRun(run, restartToken, since);
    case 'held':
      return without(run, 'failure');
    case 'noteToken':
      return restartToken === undefined ? run : { ...run, restartedFor: restartToken };
    case 'dropStop':
      return without(run, 'stop');
  }
}

/** What an operation asks of a guest. */
export type OperationWish = { action: 'Start' | 'Stop' | 'Shutdown' | 'Restart'; strategy: RunStrategy };

/** Takes an operation in: it supersedes the one before, and its request lasts until the next. */
export function acceptOperation(run: RunState, operation: AcceptedOperation, wish: OperationWish): RunState {
  const by = `operation/${operation.name}`;
  const at = timeOf(operation.acceptedAt);
  const keeps = wish.strategy === 'RerunOnFailure' || wish.strategy === 'Manual';
  const base: RunState = { ...run, operation };
  switch (wish.action) {
    case 'Start':
      return keeps ? { ...without(base, 'failure'), request: { action: 'Start', by, at } } : base;
    case 'Restart': {
      const next: RunState = { ...without(base, 'failure'), restart: true };
      return keeps ? { ...next, request: { action: 'Start', by, at } } : next;
    }
    case 'Stop':
    case 'Shutdown': {
      const force = wish.action === 'Stop';
      const calm = { ...without(base, 'restart') };
      if (keeps) return { ...calm, request: { action: 'Stop', by, at, ...(force ? { force } : {}) } };
      // Under Halted the guest is stopping already: force can only hurry it.
      return calm.stop === undefined || !force ? calm : { ...calm, stop: { ...calm.stop, force: true } };
    }
  }
}
