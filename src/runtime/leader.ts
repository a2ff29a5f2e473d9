/** One of several replicas leads: waiting for the lease, renewing it while leading, stopping in time when it is lost. */
import type { Election, LeaderOptions, Timing } from './election.ts';
import { createElection, timingOf } from './election.ts';

export type { LeaderOptions } from './election.ts';

/** The lease could not be renewed in time: another process may lead now. */
export class LeadershipLostError extends Error {
  constructor(name: string) {
    super(`the lease ${name} could not be renewed in time`);
    this.name = 'LeadershipLostError';
  }
}

/** Waits for the lease. Resolves with the moment from which it is ours (before the write), or undefined when aborted. */
async function acquire(
  options: LeaderOptions,
  timing: Timing,
  election: Election,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { clock, random } = options.world;
  while (!signal.aborted) {
    const asked = clock.monotonic();
    if (await election.attempt(timing.deadlineMs)) return asked;
    const pause = timing.intervalMs * (0.9 + random.float() * 0.2);
    await clock.sleep(pause, signal).catch(() => {});
  }
  return undefined;
}

/** Renews until `ended`; calls `lose` when the last good renewal began more than the deadline ago. */
async function renew(
  options: LeaderOptions,
  timing: Timing,
  election: Election,
  startedMs: number,
  hooks: { lose(): void; ended: AbortSignal },
): Promise<void> {
  const { clock } = options.world;
  const { deadlineMs, intervalMs } = timing;
  let renewedMs = startedMs;
  let isLost = false;
  const judge = (): void => {
    isLost = true;
    hooks.lose();
  };
  let cancel = clock.after(Math.max(0, renewedMs + deadlineMs - clock.monotonic()), judge);
  while (!hooks.ended.aborted && !isLost) {
    await clock.sleep(intervalMs, hooks.ended).catch(() => {});
    if (hooks.ended.aborted || isLost) break;
    const asked = clock.monotonic();
    const left = renewedMs + deadlineMs - asked;
    // Timers stand still while the machine is suspended; this clock does not.
    if (left <= 0) judge();
    else if (await election.attempt(Math.min(left, deadlineMs / 3))) {
      if (isLost || clock.monotonic() - renewedMs >= deadlineMs) break;
      renewedMs = asked;
      cancel();
      cancel = clock.after(Math.max(0, renewedMs + deadlineMs - clock.monotonic()), judge);
    }
  }
  cancel();
  if (!isLost && !hooks.ended.aborted) judge();
}

/**
 * Waits until this process leads, runs `lead` and renews meanwhile. The signal given to `lead` is aborted when `signal` is,
 * or with a LeadershipLostError when the lease is lost; then this rejects with it after `lead` has ended. At an orderly end
 * the lease is handed over, but only after `lead` has ended.
 */
export async function runAsLeader(
  options: LeaderOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const timing = timingOf(options);
  const election = createElection(options, timing);
  const startedMs = await acquire(options, timing, election, signal);
  if (startedMs === undefined) return;
  const leading = new AbortController();
  const over = new AbortController();
  const lost = new LeadershipLostError(options.name);
  const follow = (): void => leading.abort(signal.reason);
  signal.addEventListener('abort', follow, { once: true });
  if (signal.aborted) follow();
  const renewing = renew(options, timing, election, startedMs, {
    lose: () => leading.abort(lost),
    ended: over.signal,
  });
  try {
    await lead(leading.signal);
  } catch (error) {
    if (leading.signal.reason !== lost) throw error;
  } finally {
    over.abort();
    signal.removeEventListener('abort', follow);
    await renewing;
    if (leading.signal.reason !== lost) await election.release();
  }
  if (leading.signal.reason === lost) throw lost;
}
