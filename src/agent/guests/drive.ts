/** The power step: does what the table decides, one recorded move after the other, until the guest rests or has to be waited for. */
import type { RunStrategy } from '../../api/guest.ts';
import {
  done,
  failed,
  type Outcome,
  outcomeOf,
  ReasonedError,
  stalled,
  waiting,
} from '../../base/outcome.ts';
import { type GuestHandle, type GuestObservation, VOLUME_LOCKED } from '../../drivers/hypervisor/contract.ts';
import type { RunState } from '../record.ts';
import { GateClosed } from './gate.ts';
import { decidePower, type PowerDecision, type PowerFacts } from './power.ts';
import * as run from './run.ts';
import { forgetRun, type GuestScope, isStoppedByStorage } from './scope.ts';

/** What the power step depends on; `start` gets the guest through its gate to its first instruction. */
export type DriveDeps = {
  strategy: RunStrategy;
  /** Off until its move, or the maintenance of its host, is over, whatever the strategy says; what was asked of it is kept. */
  held?: boolean;
  restartToken: string | undefined;
  shutdown: PowerFacts['shutdown'];
  retryDelay: run.RetryDelay;
  now(): number;
  observe(): Promise<GuestObservation>;
  readRun(): RunState;
  /** On disk when it resolves. */
  writeRun(change: (run: RunState) => RunState): Promise<void>;
  restartForChanges(): string | undefined;
  /** Whether what the guest depends on is there: asked before anything is prepared for a start. */
  dependencies(): Promise<Outcome>;
  /** Makes what the guest plugs into, unless this pass has done so. */
  prepare(): Promise<void>;
  /** What the preparation could not do: without it nothing is started. */
  blocked(): Outcome;
  start(): Promise<void>;
  /** Makes the driver forget how the last run ended, once that is recorded. */
  acknowledgeEnd(guest: GuestHandle): Promise<void>;
  /** Lets a guest that stands still go on, through its gate. */
  resume(): Promise<void>;
  shutdownGuest(guest: GuestHandle): Promise<void>;
  kill(guest: GuestHandle): Promise<void>;
};

/** More moves than any way through the table has: beyond it something oscillates. */
const MOST_MOVES = 10;

export async function drivePower(deps: DriveDeps, scope: GuestScope): Promise<Outcome> {
  if (deps.held !== true) await deps.writeRun((state) => run.underStrategy(state, deps.strategy));
  for (let move = 0; move < MOST_MOVES; move += 1) {
    const outcome = await makeMove(deps, scope, decide(deps, scope));
    if (outcome !== undefined) return outcome;
  }
  return block(
    scope,
    failed('PowerUnsettled', 'the guest starts and stops faster than this host can follow'),
  );
}

function underWay({ held, strategy }: DriveDeps): RunStrategy {
  return held === true ? 'Halted' : strategy;
}

function decide(deps: DriveDeps, { observation }: GuestScope): PowerDecision {
  const { restartToken, shutdown } = deps;
  const strategy = underWay(deps);
  const changes = deps.restartForChanges();
  return decidePower({
    strategy,
    shutdown,
    run: deps.readRun(),
    observation,
    now: deps.now(),
    startBlocked: deps.blocked().type !== 'done',
    ...(restartToken === undefined ? {} : { restartToken }),
    ...(changes === undefined ? {} : { restartForChanges: changes }),
  });
}

/** Shows what stands in the way as the state of the guest's power. */
export function block(scope: GuestScope, outcome: Outcome): Outcome {
  if (outcome.type !== 'done') scope.power = { type: 'Blocked', outcome };
  return outcome;
}

/** One move; undefined: decide again. */
async function makeMove(
  deps: DriveDeps,
  scope: GuestScope,
  decision: PowerDecision,
): Promise<Outcome | undefined> {
  const { handle } = scope;
  switch (decision.type) {
    case 'rest':
      scope.power = { type: 'Resting' };
      delete scope.memory.waitsSince;
      if (isStoppedByStorage(scope.observation)) return goOnInTime(deps, scope);
      delete scope.memory.storageTriedAt;
      return decision.recheckMs === undefined
        ? done
        : waiting('Settling', 'the guest has been started lately', decision.recheckMs);
    case 'stuck':
      block(scope, stalled(decision.reason, decision.message));
      // What does not answer now may answer later, and tells nobody.
      return waiting(decision.reason, decision.message, STUCK_RECHECK_MS);
    case 'backOff':
      scope.power = { type: 'BackOff' };
      return waiting('CrashLoopBackOff', 'the guest is started again later', decision.afterMs);
    case 'await':
      return awaitStop(deps, scope, decision);
    case 'start':
      return startGuest(deps, scope);
    case 'stop':
      await deps.writeRun((state) =>
        run.beginStop(state, { now: deps.now(), timeoutMs: deps.shutdown.timeoutMs, ...decision }),
      );
      scope.event('Normal', decision.restart ? 'Restarting' : 'Stopping', stopText(decision));
      if (!decision.force && scope.observation.state !== 'Unmanageable') await deps.shutdownGuest(handle);
      scope.observation = await deps.observe();
      return undefined;
    case 'kill':
      await deps.kill(handle);
      scope.observation = await deps.observe();
      return scope.observation.state === 'Off' || scope.observation.state === 'Unmanageable'
        ? undefined
        : block(scope, failed('KillFailed', 'the guest is still there after it was ended by force'));
    case 'account':
      await account(deps, scope);
      return undefined;
    default:
      await deps.writeRun((state) =>
        run.moved(state, decision.type, deps.restartToken, runningSince(deps, scope)),
      );
      return undefined;
  }
}

/** So often a guest that its storage has stopped tries again; one that fails is stopped again before its next instruction. */
const STORAGE_RETRY_MS = 10_000;

async function goOnInTime(deps: DriveDeps, { memory }: GuestScope): Promise<Outcome> {
  const later = (afterMs: number) =>
    waiting('StorageFailed', 'a disk of the guest could not be read or written', afterMs);
  memory.storageTriedAt ??= deps.now();
  const leftMs = memory.storageTriedAt + STORAGE_RETRY_MS - deps.now();
  if (leftMs > 0) return later(Math.min(leftMs, STORAGE_RETRY_MS));
  memory.storageTriedAt = deps.now();
  try {
    await deps.resume();
  } catch (error) {
    if (!(error instanceof GateClosed)) throw error;
  }
  return later(STORAGE_RETRY_MS);
}

function runningSince({ now }: DriveDeps, { observation }: GuestScope): number {
  return 'startedAt' in observation ? Date.parse(observation.startedAt) : now();
}

function stopText({ force, restart }: { force: boolean; restart: boolean }): string {
  if (restart) return 'the guest is shut down and started again';
  return force ? 'the guest is ended by force' : 'the guest is asked to shut down';
}

/** Writes the end of a run down, before anything that would make the driver forget it. */
async function account(deps: DriveDeps, scope: GuestScope): Promise<void> {
  const end = scope.observation.state === 'Off' ? scope.observation.ended : undefined;
  const wasOurs = deps.readRun().stop !== undefined;
  await deps.writeRun((state) => run.endRun(state, end, underWay(deps), deps.now(), deps.retryDelay));
  // What the ended run was plugged into is looked at again before the next.
  forgetRun(scope.memory);
  delete scope.memory.waitsSince;
  scope.volumes = { type: 'Skipped' };
  scope.networks = { type: 'Skipped' };
  if (end === 'Crashed' && !wasOurs) scope.event('Warning', 'Crashed', "the guest's process died");
  else if (end !== undefined) scope.event('Normal', end, 'the guest is off');
}

/** A stop goes on: the agent may have died between writing it down and asking, so after a while the guest is asked again. */
async function awaitStop(
  deps: DriveDeps,
  scope: GuestScope,
  { reason, afterMs }: { reason: 'ShuttingDown' | 'ShutdownTimedOut'; afterMs: number },
): Promise<Outcome> {
  const stop = deps.readRun().stop;
  const isFresh = stop !== undefined && deps.now() - stop.since < ASK_AGAIN_MS;
  if (!isFresh) await deps.shutdownGuest(scope.handle);
  scope.power = { type: 'Stopping', reason, restart: stop?.restart ?? false };
  return waiting(reason, 'the guest has been asked to shut down', Math.min(afterMs, ASK_AGAIN_MS));
}

const ASK_AGAIN_MS = 10_000;

/** A guest that cannot be managed is looked at again after this. */
export const STUCK_RECHECK_MS = 15_000;

async function startGuest(deps: DriveDeps, scope: GuestScope): Promise<Outcome | undefined> {
  const early = await deps.dependencies();
  if (early.type !== 'done') return block(scope, early);
  await deps.prepare();
  const blocked = deps.blocked();
  if (blocked.type !== 'done') return block(scope, blocked);
  const before = deps.readRun();
  try {
    // Else a crash after the next run is written down and before it begins would make this end the next run's.
    if (scope.observation.state === 'Off' && scope.observation.ended !== undefined) {
      await deps.acknowledgeEnd(scope.handle);
    }
    await deps.start();
    scope.observation = await deps.observe();
    if (scope.observation.state === 'Running') scope.event('Normal', 'Started', 'the guest runs');
    return undefined;
  } catch (error) {
    scope.observation = await deps.observe();
    if (error instanceof GateClosed) {
      await deps.writeRun((state) => run.forbidRun(state, before));
      return block(scope, waiting(error.reason, error.message, GATE_RECHECK_MS));
    }
    // Another host would not be given the lock either: it is no failure of this one, and counts as none.
    if (error instanceof ReasonedError && error.reason === VOLUME_LOCKED) {
      await deps.writeRun((state) => run.forbidRun(state, before));
      return block(scope, waiting(error.reason, error.message, LOCK_RECHECK_MS));
    }
    return block(scope, await noteFailure(deps, scope, error));
  }
}

/** A closed gate opens by a renewed lease or a new placement; both are looked for soon. */
const GATE_RECHECK_MS = 2_000;

/** A file server that gives up the lock of a lost host tells nobody. */
const LOCK_RECHECK_MS = 5_000;

async function noteFailure(deps: DriveDeps, scope: GuestScope, error: unknown): Promise<Outcome> {
  const outcome = outcomeOf(error, 'StartFailed');
  const { reason, message } = outcome.type === 'done' ? new ReasonedError('StartFailed', '') : outcome;
  scope.event('Warning', 'StartFailed', message);
  await deps.writeRun((state) => run.failRun(state, { reason, message }, deps.now(), deps.retryDelay));
  forgetRun(scope.memory);
  const retryAt = deps.readRun().failure?.retryAt ?? deps.now();
  return outcome.type === 'stalled'
    ? stalled(reason, message)
    : waiting(reason, message, Math.max(1, retryAt - deps.now()));
}
