/** The controller of Snapshots of guests on this host: takes them, says what stands, removes them with their object. */
import { SNAPSHOT_FINALIZER } from '../../api/cluster.ts';
import { startedStamp } from '../../api/job.ts';
import { Snapshot } from '../../api/kinds/snapshot.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, failed, type Outcome, outcomeOf, waiting } from '../../base/outcome.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { CONTROLLERS, SNAPSHOT_ACCESS } from '../access.ts';
import { GateClosed } from '../guests/gate.ts';
import { handleOf } from '../guests/gather.ts';
import { lockFor } from '../guests/locks.ts';
import { guestFacts, inTurn, onSettled, recordOf } from '../jobs/guest.ts';
import { jobResult } from '../jobs/status.ts';
import type { GuestRecord, RecordedSnapshot } from '../record.ts';
import { adoptSnapshot, isHalfTaken, remainsOf } from './adopt.ts';
import { decideSnapshot, LOST, type SnapshotFacts } from './decide.ts';
import { beginWithMemory, keepsMemory, takeWithMemory } from './memory.ts';
import { goingStatus, SNAPSHOT_STATUS_PATHS, snapshotStatus } from './status.ts';
import { removeSnapshot, takeSnapshot, undo } from './take.ts';
import { guestOf, type SnapshotWorld, wakeGuest } from './world.ts';

/** Uids of those whose memory this agent is writing. */
type Taking = SnapshotWorld & { taking: Set<string> };

/** How far memory is nobody tells: it is looked at again after this. */
const FOLLOW_MS = 10_000;
/** A guest that comes here wakes its Snapshots. */
const ELSEWHERE_MS = 600_000;

export function snapshotController(given: SnapshotWorld): Controller<Snapshot> {
  const world: Taking = { ...given, taking: new Set() };
  return {
    name: CONTROLLERS.snapshots,
    kind: Snapshot,
    informer: world.snapshots,
    writes: SNAPSHOT_STATUS_PATHS,
    access: SNAPSHOT_ACCESS,
    finalizer: SNAPSHOT_FINALIZER,
    stamp: ({ metadata }) => startedStamp(metadata),
    triggers: [onSettled(world.guests.settled, world.snapshots)],
    concurrency: 8,
    reconcile: (pass) => inTurn(world, pass.object, () => settle(world, pass)),
    remove: async (pass) => {
      // Before its turn: the work may be waiting for one.
      await world.guests.jobs.cancel(groupOf(pass.object));
      world.taking.delete(pass.object.metadata.uid);
      return inTurn(world, pass.object, async () => sayGoing(pass, await remove(world, pass)));
    },
  };
}

function groupOf({ metadata }: Stored<Snapshot>): string {
  return `snapshot/${metadata.uid}`;
}

async function factsOf(
  world: Taking,
  { object: snapshot, now, signal }: Pass<Snapshot>,
): Promise<SnapshotFacts> {
  const { uid, namespace = 'default' } = snapshot.metadata;
  const { kind, name } = snapshot.spec.guest;
  const record = recordOf(world, snapshot);
  const facts = await guestFacts(world, snapshot);
  const taken = record?.snapshots?.find((one) => one.uid === uid);
  const isSought = taken === undefined && facts.guest === 'Away' && snapshot.status?.phase === 'Ready';
  return {
    ...facts,
    snapshot,
    now,
    isWorking: world.taking.has(uid),
    taken,
    isGone: isSought && (await world.hands(kind).read({ namespace, name }, signal)) === undefined,
  };
}

async function settle(world: Taking, pass: Pass<Snapshot>): Promise<PassResult<Snapshot>> {
  const facts = await factsOf(world, pass);
  const decision = decideSnapshot(facts);
  const { object, now, signal } = pass;
  switch (decision.type) {
    case 'rest':
      return jobResult(object, decision, now);
    case 'say': {
      const parent = nameOfParent(world, object, decision.taken.parent);
      return { outcome: done, status: snapshotStatus(object, decision, { now, parent }) };
    }
    case 'wait': {
      const { reason, message, afterMs } = decision;
      return {
        outcome: waiting(reason, message, afterMs),
        status: snapshotStatus(object, decision, { now }),
      };
    }
    case 'end':
      if (decision.phase !== 'Skipped') pass.event('Warning', decision.reason, decision.message);
      return { outcome: done, status: snapshotStatus(object, decision, { now }) };
    case 'undo':
      await undoOwn(world, object, signal);
      return { outcome: waiting('Again', 'it was interrupted and is begun anew', 0) };
    case 'adopt':
      return adopt(world, pass);
    case 'take':
      return take(world, pass);
  }
}

async function adopt(world: SnapshotWorld, pass: Pass<Snapshot>): Promise<PassResult<Snapshot>> {
  const { object, now, signal } = pass;
  const record = recordOf(world, object);
  if (record === undefined) return { outcome: waiting('GuestNotHere', 'the guest has just gone', 1_000) };
  try {
    const taken = await adoptSnapshot(world, record, object, signal);
    if (taken === undefined) {
      pass.event('Warning', LOST.reason, LOST.message);
      return { outcome: done, status: snapshotStatus(object, LOST, { now }) };
    }
    const behind = object.status?.memory === undefined ? '' : '; the memory it had stayed behind';
    pass.event('Normal', 'Adopted', `it is in the disks that its guest came here with${behind}`);
    world.guests.settled.tell(guestOf(object).text);
    const parent = nameOfParent(world, object, taken.parent);
    return { outcome: done, status: snapshotStatus(object, { type: 'say', taken }, { now, parent }) };
  } catch (error) {
    const outcome = outcomeOf(error, 'NotAdopted');
    if (signal.aborted || outcome.type === 'done') throw error;
    // It stays Ready: nothing says that it is not there.
    return { outcome: waiting(outcome.reason, outcome.message, 2_000) };
  }
}

function nameOfParent(world: SnapshotWorld, snapshot: Stored<Snapshot>, uid: string | undefined) {
  return recordOf(world, snapshot)?.snapshots?.find((taken) => taken.uid === uid)?.name;
}

async function take(world: Taking, pass: Pass<Snapshot>): Promise<PassResult<Snapshot>> {
  const { object, now, signal } = pass;
  const record = recordOf(world, object);
  if (record === undefined) {
    world.taking.delete(object.metadata.uid);
    await world.guests.jobs.cancel(groupOf(object));
    return { outcome: waiting('GuestNotHere', 'the guest has just gone', 1_000) };
  }
  try {
    const handle = handleOf(world.guests.stateDirectory, record);
    const isLong =
      world.taking.has(object.metadata.uid) || (await keepsMemory(world.hands(record.kind), object, handle));
    const taken = isLong
      ? await takeBeside(world, pass, record)
      : await takeSnapshot(world, record, object, signal);
    if (taken === undefined) {
      const message = 'the memory of the guest is being written';
      const status = snapshotStatus(object, { type: 'follow', message }, { now });
      return { outcome: waiting('Taking', message, FOLLOW_MS), status };
    }
    pass.event('Normal', 'Taken', `all disks of ${object.spec.guest.name}, ${taken.consistency} consistent`);
    world.guests.settled.tell(guestOf(object).text);
    wakeGuest(world, record);
    const parent = nameOfParent(world, object, taken.parent);
    return { outcome: done, status: snapshotStatus(object, { type: 'say', taken }, { now, parent }) };
  } catch (error) {
    world.taking.delete(object.metadata.uid);
    if (signal.aborted) throw error;
    await undoOwn(world, object, signal);
    const outcome = outcomeOf(error, 'SnapshotFailed');
    if (outcome.type === 'done') return { outcome };
    const { reason, message } = outcome;
    if (error instanceof GateClosed || reason === 'StoragePoolNotReady') {
      const said = { type: 'wait', reason, message, afterMs: 2_000 } as const;
      return {
        outcome: waiting(reason, message, said.afterMs),
        status: snapshotStatus(object, said, { now }),
      };
    }
    pass.event('Warning', reason, message);
    const said = { type: 'end', phase: 'Failed', reason, message } as const;
    return { outcome: done, status: snapshotStatus(object, said, { now }) };
  }
}

/** Undefined while it goes on. */
async function takeBeside(
  world: Taking,
  { object, signal }: Pass<Snapshot>,
  record: GuestRecord,
): Promise<RecordedSnapshot | undefined> {
  const { jobs, enqueue } = world.guests;
  const { uid } = object.metadata;
  const begun = world.taking.has(uid) ? undefined : await beginWithMemory(world, record, object, signal);
  world.taking.add(uid);
  // Its status shows what it is locked for.
  if (begun !== undefined) wakeGuest(world, record);
  const made = await jobs.run(
    groupOf(object),
    'memory',
    async (until) => (begun === undefined ? undefined : takeWithMemory(world, begun, until)),
    () => enqueue(CONTROLLERS.snapshots, keyOf(object.metadata)),
    // This pass has the turn of the guest, which the work is about to need.
    0,
  );
  if (made !== undefined) world.taking.delete(uid);
  return made?.value;
}

/** While it cannot be undone the lock stays, and the pass is tried again with back-off. */
async function undoOwn(world: SnapshotWorld, snapshot: Stored<Snapshot>, signal: AbortSignal): Promise<void> {
  const record = recordOf(world, snapshot);
  if (record?.lock?.by.uid !== snapshot.metadata.uid) return;
  await undo(world, record, record.lock, signal);
  wakeGuest(world, record);
}

/** What keeps it from going is said where whoever deleted it looks. */
function sayGoing({ object, now }: Pass<Snapshot>, outcome: Outcome): PassResult<Snapshot> {
  return outcome.type === 'done' ? { outcome } : { outcome, status: goingStatus(object, outcome, now) };
}

/** `done` when nothing of it is left here. */
async function remove(world: SnapshotWorld, { object: snapshot, signal }: Pass<Snapshot>): Promise<Outcome> {
  await undoOwn(world, snapshot, signal);
  const record = recordOf(world, snapshot);
  const known = record?.snapshots?.find(({ uid }) => uid === snapshot.metadata.uid);
  const mayBeHere = snapshot.status?.phase === 'Ready' || isHalfTaken(snapshot);
  if (known === undefined && !mayBeHere) return done;
  const { kind, name } = snapshot.spec.guest;
  const { namespace = 'default' } = snapshot.metadata;
  const guest = await world.hands(kind).read({ namespace, name }, signal);
  // Whoever removes the guest removes its volumes; those that are retained keep what is in them.
  if (guest === undefined || (known !== undefined && guest.metadata.uid !== record?.uid)) return done;
  if (guest.metadata.deletionTimestamp !== undefined)
    return waiting('GuestDeleted', 'it goes with the volumes of its guest', 5_000);
  const { host = world.guests.host } = guest.status?.placement ?? {};
  if (host !== world.guests.host) {
    const message = `the guest is on the host ${host} by now, with the disks that hold it: it goes when the guest is here again, or is deleted`;
    return waiting('GuestElsewhere', message, ELSEWHERE_MS);
  }
  if (record === undefined || guest.metadata.uid !== record.uid) {
    // One that has no host yet has no disks.
    if (guest.status?.placement === undefined) return done;
    return waiting('GuestNotHere', 'the guest has still to come here', 2_000);
  }
  if (lockFor(record, snapshot.metadata.uid) === 'Other')
    return waiting('GuestLocked', 'other work is under way: see status.lock of the guest', 2_000);
  try {
    const taken = known ?? (await remainsOf(world, record, snapshot, signal));
    await removeSnapshot(world, record, { snapshot, taken }, signal);
    world.guests.settled.tell(guestOf(snapshot).text);
    wakeGuest(world, record);
    return done;
  } catch (error) {
    if (signal.aborted) throw error;
    const outcome = outcomeOf(error, 'RemovalFailed');
    if (outcome.type === 'done') return failed('RemovalFailed', 'it could not be removed');
    return error instanceof GateClosed ? waiting(outcome.reason, outcome.message, 2_000) : outcome;
  }
}
