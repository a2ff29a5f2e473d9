/** The controller of Rollbacks of guests on this host: holds the guest off, changes its volumes, lets it go on. */
import { startedStamp } from '../../api/job.ts';
import { Rollback } from '../../api/kinds/rollback.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, outcomeOf, waiting } from '../../base/outcome.ts';
import type { Informer, Informers } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { CONTROLLERS, ROLLBACK_ACCESS } from '../access.ts';
import { GateClosed } from '../guests/gate.ts';
import { handleOf } from '../guests/gather.ts';
import { locked, lockFor, unlocked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import { JOB_STATUS_PATHS, jobStatus } from '../jobStatus.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { settleLock } from '../snapshots/locks.ts';
import { keyOfSnapshot } from '../snapshots/take.ts';
import { guestOf, type SnapshotWorld, wakeGuest, whereGuestIs } from '../snapshots/world.ts';
import { rollBack } from './act.ts';
import { decideRollback, type RollbackEnd, type RollbackFacts } from './decide.ts';

/** A guest that says nothing of its end is looked at again after this. */
const FOLLOW_MS = 10_000;

/** The informer of rollbacks given to this host, with the index its trigger uses. */
export function rollbackInformer(informers: Informers, host: string): Informer<Rollback> {
  return informers.informer(Rollback, {
    fieldSelector: `status.host=${host}`,
    indexes: { guest: (rollback) => [guestOf(rollback).text] },
  });
}

export function rollbackController(world: SnapshotWorld, informer: Informer<Rollback>): Controller<Rollback> {
  const { guests } = world;
  return {
    name: CONTROLLERS.rollbacks,
    kind: Rollback,
    informer,
    writes: JOB_STATUS_PATHS,
    access: ROLLBACK_ACCESS,
    selects: ({ status }) => status?.completedAt === undefined,
    stamp: ({ metadata }) => startedStamp(metadata),
    triggers: [
      {
        subscribe: (enqueue) =>
          guests.settled.listen((guest) => {
            for (const { metadata } of informer.byIndex('guest', guest)) enqueue(keyOf(metadata));
          }),
      },
    ],
    concurrency: 8,
    reconcile: async (pass) => {
      await guests.looked;
      const record = recordOf(world, pass.object);
      const work = () => execute(world, pass);
      return record === undefined ? work() : guests.turns.take(record.id, work);
    },
    // Deleted: called off, unless volumes have changed already.
    gone: async (_key, last, { signal }) => {
      const record = recordOf(world, last);
      if (record?.lock?.by.uid !== last.metadata.uid) return done;
      return settleLock(world, record, signal);
    },
  };
}

function recordOf({ guests }: SnapshotWorld, rollback: Rollback): GuestRecord | undefined {
  const { kind, key } = guestOf(rollback);
  return guests.records.byKey(kind, key);
}

async function factsOf(
  world: SnapshotWorld,
  { object: rollback, now }: Pass<Rollback>,
): Promise<RollbackFacts> {
  const { uid } = rollback.metadata;
  const record = recordOf(world, rollback);
  const guest = whereGuestIs(world, record);
  const lock = record === undefined ? 'Free' : lockFor(record, uid);
  const snapshot = snapshotOf(world, rollback);
  return {
    rollback,
    now,
    guest,
    record: record && {
      lock,
      own: lock === 'Own' ? record.lock : undefined,
      finished: record.rolledBack === uid,
      isOn: record.run.live !== undefined,
    },
    observation:
      record === undefined || guest === 'Away'
        ? undefined
        : (await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record))).state,
    snapshot: snapshot && {
      phase: snapshot.status?.phase,
      isOfGuest: guestOf(snapshot).text === guestOf(rollback).text,
      stands: record?.snapshots?.some((taken) => taken.uid === snapshot.metadata.uid) === true,
    },
  };
}

function snapshotOf({ snapshots }: SnapshotWorld, { metadata, spec }: Stored<Rollback>) {
  return snapshots.get(keyOf({ namespace: metadata.namespace ?? 'default', name: spec.snapshot }));
}

async function execute(world: SnapshotWorld, pass: Pass<Rollback>): Promise<PassResult<Rollback>> {
  const { object, now } = pass;
  const decision = decideRollback(await factsOf(world, pass));
  switch (decision.type) {
    case 'rest':
      return { outcome: done };
    case 'end':
      return { outcome: done, status: jobStatus(object, decision, now) };
    case 'wait': {
      const { reason, message, afterMs } = decision;
      return { outcome: waiting(reason, message, afterMs), status: jobStatus(object, decision, now) };
    }
    case 'follow':
      return {
        outcome: waiting('Running', decision.message, FOLLOW_MS),
        status: jobStatus(object, decision, now),
      };
    case 'begin':
      return begin(world, pass);
    case 'act':
      return act(world, pass);
    case 'callOff':
      return callOff(world, pass, decision.end);
  }
}

async function begin(world: SnapshotWorld, pass: Pass<Rollback>): Promise<PassResult<Rollback>> {
  const { object, now } = pass;
  const record = recordOf(world, object);
  const snapshot = snapshotOf(world, object);
  if (record === undefined || snapshot === undefined)
    return { outcome: waiting('GuestNotHere', 'the guest or its Snapshot has just gone', 1_000) };
  const { uid, namespace = 'default', name } = object.metadata;
  const observation = await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record));
  const lock: GuestLock = {
    operation: 'Rollback',
    by: { kind: 'Rollback', uid, namespace, name },
    since: now,
    key: keyOfSnapshot(snapshot),
    held: { wasOn: observation.state !== 'Off' || record.run.live !== undefined },
  };
  await updateRecord(world.guests, record.id, (before) => locked(before, lock));
  pass.event('Normal', 'Begun', `${object.spec.guest.name} goes back to ${object.spec.snapshot}`);
  wakeGuest(world, record);
  const status = jobStatus(object, { type: 'follow', message: 'the guest is held off' }, now);
  return { outcome: waiting('Running', 'the rollback goes on', 50), status };
}

async function act(world: SnapshotWorld, pass: Pass<Rollback>): Promise<PassResult<Rollback>> {
  const { object, now, signal } = pass;
  const record = recordOf(world, object);
  const to = record?.snapshots?.find(({ key }) => key === record.lock?.key);
  if (record === undefined || to === undefined)
    return callOff(world, pass, {
      type: 'end',
      phase: 'Failed',
      reason: 'SnapshotMissing',
      message: 'this host does not know the snapshot any more',
    });
  try {
    await rollBack(world, record, to, signal);
    pass.event('Normal', 'RolledBack', `the guest is what it was in ${to.name}`);
    world.guests.settled.tell(guestOf(object).text);
    const end: RollbackEnd = {
      type: 'end',
      phase: 'Succeeded',
      reason: 'RolledBack',
      message: 'the guest is what it was',
    };
    return { outcome: done, status: jobStatus(object, end, now) };
  } catch (error) {
    if (signal.aborted) throw error;
    const outcome = outcomeOf(error, 'RollbackFailed');
    if (outcome.type === 'done') return { outcome };
    const { reason, message } = outcome;
    const isChanging = recordOf(world, object)?.lock?.changing === true;
    if (!isChanging && !(error instanceof GateClosed) && reason !== 'StoragePoolNotReady')
      return callOff(world, pass, { type: 'end', phase: 'Failed', reason, message });
    // A mixture of then and now must not start: it is tried until it is whole.
    return {
      outcome: waiting(reason, message, 5_000),
      status: jobStatus(object, { type: 'follow', message }, now),
    };
  }
}

async function callOff(
  world: SnapshotWorld,
  { object, now, event }: Pass<Rollback>,
  end: RollbackEnd,
): Promise<PassResult<Rollback>> {
  const record = recordOf(world, object);
  if (record?.lock?.by.uid === object.metadata.uid) {
    await updateRecord(world.guests, record.id, (before) => unlocked(before));
    wakeGuest(world, record);
  }
  event('Warning', end.reason, end.message);
  return { outcome: done, status: jobStatus(object, end, now) };
}
