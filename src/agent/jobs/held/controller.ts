/** Runs jobs that change the volumes of a guest: locks it, prepares, holds it off, changes its volumes, lets it go on. */
import { START_DEADLINE_SECONDS, startedStamp } from '../../../api/job.ts';
import { keyOf, type Stored } from '../../../api/meta.ts';
import { done, outcomeOf, ReasonedError } from '../../../base/outcome.ts';
import type { Informer } from '../../../client/contract.ts';
import type { Controller, Pass } from '../../../runtime/contract.ts';
import { PASSING } from '../../archives/bring.ts';
import { GateClosed } from '../../guests/gate.ts';
import { handleOf } from '../../guests/gather.ts';
import { locked, unlocked } from '../../guests/locks.ts';
import { updateRecord } from '../../guests/wiring.ts';
import type { GuestLock, GuestRecord } from '../../record.ts';
import { settleLock } from '../../snapshots/locks.ts';
import { guestOf, type SnapshotWorld, wakeGuest } from '../../snapshots/world.ts';
import type { Objection } from '../begin.ts';
import { guestFacts, inTurn, onSettled, recordOf } from '../guest.ts';
import {
  COPYING_STATUS_PATHS,
  JOB_STATUS_PATHS,
  type JobEnd,
  type JobStep,
  jobEnd,
  jobResult,
} from '../status.ts';
import type { ChangingJob, HeldWork, OwnLock } from './contract.ts';
import { decideHeld, FOLLOW_MS } from './decide.ts';
import { createPatience, type Patience } from './patience.ts';

/** What the gate said before a guest was stopped is asked again after this. */
const GATE_MS = 2_000;

type Held<T extends ChangingJob> = {
  world: SnapshotWorld;
  work: HeldWork<T>;
  patience: Patience;
  /** Uids of jobs of which what was prepared has gone, though the guest may have changed already. */
  missing: Set<string>;
};

export function heldJobController<T extends ChangingJob>(
  world: SnapshotWorld,
  informer: Informer<T>,
  work: HeldWork<T>,
): Controller<T> {
  const held: Held<T> = { world, work, patience: createPatience(), missing: new Set() };
  return {
    name: work.name,
    kind: work.kind,
    informer,
    writes: work.progress === undefined ? JOB_STATUS_PATHS : COPYING_STATUS_PATHS,
    access: work.access,
    selects: ({ status }) => status?.completedAt === undefined,
    stamp: ({ metadata }) => startedStamp(metadata),
    triggers: [onSettled(world.guests.settled, informer)],
    concurrency: 8,
    reconcile: (pass) =>
      inTurn(world, pass.object, async () => {
        const step = await execute(held, pass);
        return jobResult<T>(pass.object, step, pass.now, progressOf(work, pass.object, step));
      }),
    // Deleted: called off, unless volumes have changed already.
    gone: async (_key, last, { signal }) => {
      held.patience.forget(last.metadata.uid);
      held.missing.delete(last.metadata.uid);
      await world.guests.jobs.cancel(groupOf(last));
      const record = recordOf(world, last);
      if (record?.lock?.by.uid !== last.metadata.uid) return done;
      return settleLock(world, record, signal);
    },
  };
}

function groupOf({ metadata }: Stored<ChangingJob>): string {
  return `job/${metadata.uid}`;
}

async function execute<T extends ChangingJob>(held: Held<T>, pass: Pass<T>): Promise<JobStep> {
  const { world, work } = held;
  const { object, now, signal } = pass;
  const { uid } = object.metadata;
  const record = recordOf(world, object);
  const facts = await guestFacts(world, object);
  const isFinished = record !== undefined && work.finished(record) === uid;
  const isNew = facts.own === undefined && !isFinished && object.status?.completedAt === undefined;
  const judged =
    isNew && record !== undefined && facts.guest === 'Here'
      ? await work.judge(object, record, signal)
      : undefined;
  const decision = decideHeld({
    ...facts,
    job: object,
    noun: work.operation.toLowerCase(),
    finished: isFinished ? success(work) : undefined,
    objection: judged !== undefined && isObjection(judged) ? judged : undefined,
    now,
  });
  if (decision.type === 'begin' && record !== undefined && judged !== undefined && !isObjection(judged))
    return begin(held, pass, record, { ...judged, isOn: decision.isOn });
  switch (decision.type) {
    case 'begin':
      return { type: 'wait', reason: 'GuestNotHere', message: 'the guest has just gone', afterMs: 1_000 };
    case 'end':
      await world.guests.jobs.cancel(groupOf(object));
      return decision;
    case 'prepare':
    case 'act':
      return act(held, pass, decision.type);
    case 'callOff':
      return callOff(held, pass, decision.end);
    default:
      return decision;
  }
}

function progressOf<T extends ChangingJob>(
  { progress }: HeldWork<T>,
  job: Stored<T>,
  step: JobStep,
): Partial<T['status']> | undefined {
  if (step.type === 'follow') return progress?.(job, false);
  return step.type === 'end' && step.phase === 'Succeeded' ? progress?.(job, true) : undefined;
}

function success<T extends ChangingJob>({ words }: HeldWork<T>): JobEnd {
  return jobEnd('Succeeded', words.done.reason, words.done.message);
}

function isObjection(judged: OwnLock | Objection): judged is Objection {
  return 'final' in judged;
}

async function begin<T extends ChangingJob>(
  { world, work }: Held<T>,
  { object, now, event, signal }: Pass<T>,
  record: GuestRecord,
  { isOn, ...own }: OwnLock & { isOn: boolean },
): Promise<JobStep> {
  const { uid, namespace = 'default', name } = object.metadata;
  const prepares = work.prepare !== undefined;
  try {
    if (isOn && !prepares) await mayBeHeld(world, record, signal);
  } catch (error) {
    if (!(error instanceof GateClosed)) throw error;
    return { type: 'wait', reason: error.reason, message: error.message, afterMs: GATE_MS };
  }
  const lock: GuestLock = {
    operation: work.operation,
    by: { kind: work.operation, uid, namespace, name },
    since: now,
    ...own,
    ...(prepares && isOn ? {} : { held: { wasOn: isOn } }),
  };
  await updateRecord(world.guests, record.id, (before) => locked(before, lock));
  event('Normal', 'Begun', work.words.begun(object.spec, own));
  wakeGuest(world, record);
  const message = prepares ? work.words.preparing : 'the guest is held off';
  return { type: 'follow', message, afterMs: 50 };
}

async function act<T extends ChangingJob>(
  held: Held<T>,
  pass: Pass<T>,
  step: 'prepare' | 'act',
): Promise<JobStep> {
  const { world, work } = held;
  const { object, signal } = pass;
  const record = recordOf(world, object);
  if (record === undefined)
    return { type: 'wait', reason: 'GuestNotHere', message: 'the guest has just gone', afterMs: 1_000 };
  try {
    const isNeeded = record.lock?.changing !== true || held.missing.has(object.metadata.uid);
    if (isNeeded && !(await isPrepared(held, object, record)))
      return { type: 'follow', message: work.words.preparing, afterMs: FOLLOW_MS };
    held.missing.delete(object.metadata.uid);
    if (step === 'prepare') {
      await mayBeHeld(world, record, signal);
      return await hold(held, record);
    }
    await work.change(record, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    // Made again: the guest is off until all of it is there.
    if (error instanceof ReasonedError && error.reason === 'ReplacementMissing')
      held.missing.add(object.metadata.uid);
    return refused(held, pass, error);
  }
  const end = success(work);
  pass.event('Normal', end.reason, end.message);
  world.guests.settled.tell(guestOf(object).text);
  return end;
}

/** Beside the passes; false while it goes on. */
async function isPrepared<T extends ChangingJob>(
  { world, work }: Held<T>,
  job: Stored<T>,
  record: GuestRecord,
): Promise<boolean> {
  const { prepare } = work;
  if (prepare === undefined) return true;
  const { jobs, enqueue } = world.guests;
  const made = await jobs.run(
    groupOf(job),
    'prepare',
    async (signal) => {
      await prepare(job, record, signal);
      return true;
    },
    () => enqueue(work.name, keyOf(job.metadata)),
  );
  return made !== undefined;
}

/** A guest that is shut down while nobody can tell whose it is could not be started again either. Throws GateClosed. */
function mayBeHeld(world: SnapshotWorld, record: GuestRecord, signal: AbortSignal): Promise<void> {
  return world.hands(record.kind).gate(record, signal);
}

/** All is prepared: from now on the guest is to be off. */
async function hold<T extends ChangingJob>({ world, work }: Held<T>, record: GuestRecord): Promise<JobStep> {
  const observation = await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record));
  const wasOn = observation.state !== 'Off' || record.run.live !== undefined;
  await updateRecord(world.guests, record.id, (before) =>
    before.lock === undefined ? before : { ...before, lock: { ...before.lock, held: { wasOn } } },
  );
  wakeGuest(world, record);
  const message = `the guest is being stopped for the ${work.operation.toLowerCase()}`;
  return { type: 'follow', message, afterMs: 50 };
}

async function refused<T extends ChangingJob>(
  held: Held<T>,
  pass: Pass<T>,
  error: unknown,
): Promise<JobStep> {
  const outcome = outcomeOf(error, `${held.work.operation}Failed`);
  if (outcome.type === 'done') return { type: 'rest' };
  const { reason, message } = outcome;
  const isChanging = recordOf(held.world, pass.object)?.lock?.changing === true;
  const mayPass = error instanceof GateClosed || (PASSING.has(reason) && !isGivenUp(held, pass, reason));
  if (!isChanging && !mayPass) return callOff(held, pass, jobEnd('Failed', reason, message));
  // A mixture of then and now must not start: it is tried until it is whole.
  return { type: 'follow', reason, message, afterMs: 5_000 };
}

/** A pool of this host is waited for; another host no longer than the job was to wait before it began. */
function isGivenUp<T extends ChangingJob>(
  { world, patience }: Held<T>,
  { object }: Pass<T>,
  reason: string,
): boolean {
  const { startDeadlineSeconds = START_DEADLINE_SECONDS } = object.spec;
  if (reason === 'StoragePoolNotReady') return false;
  const now = world.guests.world.clock.monotonic();
  return patience.isOver(object.metadata.uid, now, startDeadlineSeconds * 1_000);
}

async function callOff<T extends ChangingJob>(
  { world, work, patience }: Held<T>,
  { object, event }: Pass<T>,
  end: JobEnd,
): Promise<JobStep> {
  patience.forget(object.metadata.uid);
  await world.guests.jobs.cancel(groupOf(object));
  const record = recordOf(world, object);
  if (record?.lock?.by.uid === object.metadata.uid) {
    // Half of the volumes have changed of a guest that is going, and they go with it, or of one that is another host's.
    if (record.lock.changing === true)
      await updateRecord(world.guests, record.id, (before) => unlocked(before));
    else await work.undo(record);
    wakeGuest(world, record);
  }
  event('Warning', end.reason, end.message);
  return end;
}
