/** The controller of Restores of guests on this host: makes the disks from the archive, holds the guest off, gives them to it, lets it go on. */
import { startedStamp } from '../../api/job.ts';
import { Backup } from '../../api/kinds/backup.ts';
import { Restore } from '../../api/kinds/restore.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, outcomeOf, ReasonedError, waiting } from '../../base/outcome.ts';
import type { Informer, Informers } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { CONTROLLERS, RESTORE_ACCESS } from '../access.ts';
import { GateClosed } from '../guests/gate.ts';
import { handleOf } from '../guests/gather.ts';
import { locked, unlocked } from '../guests/locks.ts';
import { read } from '../guests/read.ts';
import { updateRecord } from '../guests/wiring.ts';
import { JOB_STATUS_PATHS, jobStatus } from '../jobStatus.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { settleLock } from '../snapshots/locks.ts';
import { guestOf, type SnapshotWorld, wakeGuest } from '../snapshots/world.ts';
import { giveDisks, prepareDisks, undoRestore } from './act.ts';
import { decideRestore, type RestoreEnd } from './decide.ts';
import { factsOf } from './facts.ts';

/** What tells nobody is looked at again after this. */
const FOLLOW_MS = 10_000;

/** The informer of restores given to this host, with the index its trigger uses. */
export function restoreInformer(informers: Informers, host: string): Informer<Restore> {
  return informers.informer(Restore, {
    fieldSelector: `status.host=${host}`,
    indexes: { guest: (restore) => [guestOf(restore).text] },
  });
}

export function restoreController(world: SnapshotWorld, informer: Informer<Restore>): Controller<Restore> {
  const { guests } = world;
  return {
    name: CONTROLLERS.restores,
    kind: Restore,
    informer,
    writes: JOB_STATUS_PATHS,
    access: RESTORE_ACCESS,
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
    // Deleted: called off, unless disks have changed already.
    gone: async (_key, last, { signal }) => {
      await guests.jobs.cancel(groupOf(last));
      const record = recordOf(world, last);
      if (record?.lock?.by.uid !== last.metadata.uid) return done;
      return settleLock(world, record, signal);
    },
  };
}

function groupOf({ metadata }: Stored<Restore>): string {
  return `restore/${metadata.uid}`;
}

function recordOf({ guests }: SnapshotWorld, restore: Restore): GuestRecord | undefined {
  const { kind, key } = guestOf(restore);
  return guests.records.byKey(kind, key);
}

async function execute(world: SnapshotWorld, pass: Pass<Restore>): Promise<PassResult<Restore>> {
  const { object, now } = pass;
  const record = recordOf(world, object);
  const decision = decideRestore(await factsOf(world, pass, record));
  switch (decision.type) {
    case 'rest':
      return { outcome: done };
    case 'end':
      await world.guests.jobs.cancel(groupOf(object));
      return { outcome: done, status: jobStatus(object, decision, now) };
    case 'wait': {
      const { reason, message, afterMs } = decision;
      return { outcome: waiting(reason, message, afterMs), status: jobStatus(object, decision, now) };
    }
    case 'follow':
      return follow(pass, decision.message, FOLLOW_MS);
    case 'begin':
      return begin(world, pass, decision);
    case 'prepare':
    case 'act':
      return act(world, pass, decision.type);
    case 'callOff':
      return callOff(world, pass, decision.end);
  }
}

function follow({ object, now }: Pass<Restore>, message: string, afterMs: number): PassResult<Restore> {
  const status = jobStatus(object, { type: 'follow', message }, now);
  return { outcome: waiting('Running', message, afterMs), status };
}

async function begin(
  world: SnapshotWorld,
  pass: Pass<Restore>,
  { disks, hold }: { disks: readonly string[]; hold: boolean },
): Promise<PassResult<Restore>> {
  const { object, now } = pass;
  const record = recordOf(world, object);
  if (record === undefined) return { outcome: waiting('GuestNotHere', 'the guest has just gone', 1_000) };
  const { uid, namespace = 'default', name } = object.metadata;
  const lock: GuestLock = {
    operation: 'Restore',
    by: { kind: 'Restore', uid, namespace, name },
    since: now,
    key: `restore-${uid}`,
    disks,
    ...(hold ? { held: { wasOn: false } } : {}),
  };
  await updateRecord(world.guests, record.id, (before) => locked(before, lock));
  pass.event(
    'Normal',
    'Begun',
    `${object.spec.guest.name} gets back ${disks.join(', ')} of ${object.spec.backup}`,
  );
  wakeGuest(world, record);
  return follow(pass, 'the disks are being made from the archive', 50);
}

async function act(
  world: SnapshotWorld,
  pass: Pass<Restore>,
  step: 'prepare' | 'act',
): Promise<PassResult<Restore>> {
  const { object, signal } = pass;
  const record = recordOf(world, object);
  if (record === undefined) return { outcome: waiting('GuestNotHere', 'the guest has just gone', 1_000) };
  try {
    if (record.lock?.changing !== true && !(await prepare(world, object, record)))
      return follow(pass, 'the disks are being made from the archive', FOLLOW_MS);
    if (step === 'prepare') return await hold(world, pass, record);
    await giveDisks(world, record, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return refused(world, pass, error);
  }
  pass.event('Normal', 'Restored', `the guest has what is in ${object.spec.backup}`);
  world.guests.settled.tell(guestOf(object).text);
  const said = { type: 'end', phase: 'Succeeded', reason: 'Restored' } as const;
  const status = jobStatus(object, { ...said, message: 'the guest has what was backed up' }, pass.now);
  return { outcome: done, status };
}

/** Beside the passes; false while it goes on. */
async function prepare(
  world: SnapshotWorld,
  restore: Stored<Restore>,
  record: GuestRecord,
): Promise<boolean> {
  const { client, jobs, enqueue } = world.guests;
  const { namespace = 'default' } = restore.metadata;
  const { backup: name } = restore.spec;
  const findBackup = async (signal: AbortSignal) => {
    const backup = await client.find(Backup, { namespace, name }, read(signal));
    if (backup !== undefined) return backup;
    throw new ReasonedError('BackupNotFound', `the Backup ${name} has gone meanwhile`, { stalled: true });
  };
  const made = await jobs.run(
    groupOf(restore),
    'disks',
    async (signal) => {
      await prepareDisks(world, record, findBackup, signal);
      return true;
    },
    () => enqueue(CONTROLLERS.restores, keyOf(restore.metadata)),
  );
  return made !== undefined;
}

/** The disks are made: from now on the guest is to be off. */
async function hold(
  world: SnapshotWorld,
  pass: Pass<Restore>,
  record: GuestRecord,
): Promise<PassResult<Restore>> {
  const observation = await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record));
  const wasOn = observation.state !== 'Off' || record.run.live !== undefined;
  await updateRecord(world.guests, record.id, (before) =>
    before.lock === undefined ? before : { ...before, lock: { ...before.lock, held: { wasOn } } },
  );
  wakeGuest(world, record);
  return follow(pass, 'the disks are made, and the guest is being stopped to get them', 50);
}

async function refused(
  world: SnapshotWorld,
  pass: Pass<Restore>,
  error: unknown,
): Promise<PassResult<Restore>> {
  const outcome = outcomeOf(error, 'RestoreFailed');
  if (outcome.type === 'done') return { outcome };
  const { reason, message } = outcome;
  const isChanging = recordOf(world, pass.object)?.lock?.changing === true;
  if (!isChanging && !(error instanceof GateClosed) && reason !== 'StoragePoolNotReady')
    return callOff(world, pass, { type: 'end', phase: 'Failed', reason, message });
  // A mixture of then and now must not start: it is tried until it is whole.
  const status = jobStatus(pass.object, { type: 'follow', message }, pass.now);
  return { outcome: waiting(reason, message, 5_000), status };
}

async function callOff(
  world: SnapshotWorld,
  { object, now, event }: Pass<Restore>,
  end: RestoreEnd,
): Promise<PassResult<Restore>> {
  await world.guests.jobs.cancel(groupOf(object));
  const record = recordOf(world, object);
  if (record?.lock?.by.uid === object.metadata.uid) {
    // Half of the disks are given to a guest that is going: they go with it.
    if (record.lock.changing === true)
      await updateRecord(world.guests, record.id, (before) => unlocked(before));
    else await undoRestore(world, record);
    wakeGuest(world, record);
  }
  event('Warning', end.reason, end.message);
  return { outcome: done, status: jobStatus(object, end, now) };
}
