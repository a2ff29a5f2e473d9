/** The controller of Backups of guests on this host: locks the guest, fills the archive beside the passes, removes it with its object. */
import { BACKUP_FINALIZER } from '../../api/cluster.ts';
import { startedStamp } from '../../api/job.ts';
import { Backup, type BackupStatus } from '../../api/kinds/backup.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, outcomeOf } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { ArchiveManifest } from '../../drivers/storage/contract.ts';
import type { Controller, Pass } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { BACKUP_ACCESS, CONTROLLERS } from '../access.ts';
import { GateClosed } from '../guests/gate.ts';
import { handleOf } from '../guests/gather.ts';
import { locked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import { guestFacts, inTurn, onSettled, recordOf } from '../jobs/guest.ts';
import { type JobEnd, type JobStep, jobEnd, jobResult } from '../jobs/status.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { settleLock } from '../snapshots/locks.ts';
import { guestOf, wakeGuest } from '../snapshots/world.ts';
import { backupOf } from '../verifies/controller.ts';
import { tidyMarks } from './bases.ts';
import { type BackupFacts, decideBackup } from './decide.ts';
import { makeBackup } from './make.ts';
import { removeBackup, undoOwn } from './remove.ts';
import { archiveFields, BACKUP_STATUS_PATHS, wholeSaid } from './status.ts';
import { takeIn } from './takeIn.ts';
import { undoBackup } from './undo.ts';
import { withVerified } from './verified.ts';
import { type BackupWorld, keyOfBackup } from './world.ts';

/** How far it is is said again after this. */
const FOLLOW_MS = 5_000;
/** What the gate said is asked again after this. */
const GATE_MS = 2_000;
/** A host that is busy with other backups is asked again after this. */
const BUSY_MS = 5_000;

export function backupController(world: BackupWorld): Controller<Backup> {
  const { guests, backups } = world;
  return {
    name: CONTROLLERS.backups,
    kind: Backup,
    informer: backups,
    writes: BACKUP_STATUS_PATHS,
    access: BACKUP_ACCESS,
    finalizer: BACKUP_FINALIZER,
    stamp: ({ metadata }) => startedStamp(metadata),
    triggers: [
      onSettled(guests.settled, backups),
      trigger(world.verifies, ({ after }) =>
        after?.status?.completedAt === undefined ? [] : [backupOf(after)],
      ),
      trigger(backups, ({ before, after }) => (after === undefined ? goingBases(backups, before) : [])),
    ],
    concurrency: 8,
    reconcile: async (pass) => {
      // Before its turn, as for `remove`.
      if (isEndedByOthers(world, pass.object)) await giveUpWork(world, pass.object);
      return inTurn(world, pass.object, async () => {
        const { more, ...step } = await settle(world, pass);
        return jobResult(pass.object, step, pass.now, more);
      });
    },
    remove: async (pass) => {
      // Before its turn: the work may be waiting for one.
      await giveUpWork(world, pass.object);
      return inTurn(world, pass.object, async () => removeBackup(world, pass));
    },
    // Another host looks after it by now.
    gone: async (_key, last, { signal }) => {
      await giveUpWork(world, last);
      const record = recordOf(world, last);
      return record?.lock?.by.uid === last.metadata.uid ? settleLock(world, record, signal) : done;
    },
  };
}

/** Those that go as soon as nobody needs their archives. */
function goingBases(backups: Informer<Backup>, gone: Stored<Backup> | undefined): string[] {
  const { needs = [] } = gone?.status ?? {};
  if (gone === undefined || needs.length === 0) return [];
  return backups
    .byIndex('guest', guestOf(gone).text)
    .filter(
      ({ metadata, status }) =>
        metadata.deletionTimestamp !== undefined && needs.includes(status?.archive ?? ''),
    )
    .map(({ metadata }) => keyOf(metadata));
}

function groupOf({ metadata }: Stored<Backup>): string {
  return `backup/${metadata.uid}`;
}

/** Its guest was recovered on another host: this one may have lived through that, and be at it still. */
function isEndedByOthers(world: BackupWorld, backup: Stored<Backup>): boolean {
  const { lock } = recordOf(world, backup) ?? {};
  const isAway = lock?.away === true && lock.by.uid === backup.metadata.uid;
  return (isAway || backup.status?.completedAt !== undefined) && world.working.has(backup.metadata.uid);
}

async function giveUpWork({ guests, working }: BackupWorld, backup: Stored<Backup>): Promise<void> {
  await guests.jobs.cancel(groupOf(backup));
  working.delete(backup.metadata.uid);
}

function poolOf({ guests }: BackupWorld, { spec, metadata }: Stored<Backup>): BackupFacts['pool'] {
  const state = guests.pools.get(spec.pool);
  if (state?.type === 'Elsewhere') return 'Elsewhere';
  if (state?.type !== 'Open') return 'NotReady';
  const isAllowed = state.allowedNamespaces?.includes(metadata.namespace ?? 'default') ?? true;
  return isAllowed ? 'Open' : 'NotAllowed';
}

async function factsOf(world: BackupWorld, { object: backup, now }: Pass<Backup>): Promise<BackupFacts> {
  const { uid } = backup.metadata;
  const pool = world.guests.pools.get(backup.spec.pool);
  const mayBeWhole = backup.status?.completedAt === undefined && !world.working.has(uid);
  return {
    ...(await guestFacts(world, backup)),
    backup,
    now,
    pool: poolOf(world, backup),
    whole:
      mayBeWhole && pool?.type === 'Open' ? await pool.driver.archives.read(keyOfBackup(backup)) : undefined,
    isWorking: world.working.has(uid),
    stopped: stoppedFor(backup, recordOf(world, backup)),
  };
}

/** One that cannot be started, or is not to be, does not return. */
function stoppedFor({ metadata }: Stored<Backup>, record: GuestRecord | undefined): BackupFacts['stopped'] {
  if (record?.stoppedFor !== metadata.uid) return 'Never';
  const { restart, failure, request } = record.run;
  return restart === true && failure === undefined && request?.action !== 'Stop' ? 'Returning' : 'Once';
}

/** A step, and what else its status says. */
type BackupStep = JobStep & { more?: Partial<BackupStatus> };

async function settle(world: BackupWorld, pass: Pass<Backup>): Promise<BackupStep> {
  const { object } = pass;
  if (object.spec.import !== undefined && object.status?.completedAt === undefined)
    return saidOf(pass, await takeIn(world, pass, groupOf(object)));
  const decision = decideBackup(await factsOf(world, pass));
  switch (decision.type) {
    case 'rest': {
      const more = withVerified(object, world.verifies.byIndex('backup', keyOf(object.metadata)));
      return more === undefined ? decision : { ...decision, more };
    }
    case 'say':
      return say(world, pass, decision.manifest);
    case 'begin':
      return begin(world, pass, decision.hold);
    case 'work':
      return work(world, pass);
    case 'undo':
      await undoOwn(world, object);
      return { type: 'rest', afterMs: 0 };
    case 'end':
      return end(pass, decision);
    default:
      return decision;
  }
}

function saidOf(pass: Pass<Backup>, step: BackupStep): BackupStep {
  return step.type === 'end' ? { ...step, ...end(pass, step) } : step;
}

function end({ event }: Pass<Backup>, said: JobEnd): JobEnd {
  if (said.phase === 'Failed') event('Warning', said.reason, said.message);
  return said;
}

async function begin(world: BackupWorld, pass: Pass<Backup>, hold: boolean): Promise<BackupStep> {
  const { object, now, signal } = pass;
  const record = recordOf(world, object);
  if (record === undefined)
    return { type: 'wait', reason: 'GuestNotHere', message: 'the guest has just gone', afterMs: 1_000 };
  try {
    // One that is shut down while nobody can tell whose it is could not be started again either.
    await world.hands(record.kind).gate(record, signal);
  } catch (error) {
    if (!(error instanceof GateClosed)) throw error;
    return { type: 'wait', reason: error.reason, message: error.message, afterMs: GATE_MS };
  }
  const { uid, namespace = 'default', name } = object.metadata;
  const observation = await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record));
  const wasOn = observation.state !== 'Off' || record.run.live !== undefined;
  const isRunning = observation.state === 'Running';
  const lock: GuestLock = {
    operation: 'Backup',
    by: { kind: 'Backup', uid, namespace, name },
    since: now,
    key: keyOfBackup(object),
    pool: object.spec.pool,
    ...(hold ? { held: { wasOn } } : {}),
    ...(!hold && isRunning ? { pauses: true } : {}),
    ...(!hold && isRunning && observation.agentConnected === true && record.thawOwed !== true
      ? { freezes: true }
      : {}),
  };
  if (!(await takeSlot(world, record, lock))) {
    const message = 'as many backups are made on this host as parallelBackups in its agent.yaml allows';
    return { type: 'wait', reason: 'HostBusy', message, afterMs: BUSY_MS };
  }
  wakeGuest(world, record);
  // The guest is held off by its own controller first, in a turn of its own.
  if (hold) return { type: 'follow', message: 'the guest is held off', afterMs: 50 };
  return work(world, pass);
}

/** Locks the guest unless as many guests of this host are locked for backups as may be. One after the other, so that none slips in between. */
function takeSlot({ guests }: BackupWorld, { id }: GuestRecord, lock: GuestLock): Promise<boolean> {
  return guests.turns.take('backups', async () => {
    const atWork = guests.records.all().filter((record) => record.lock?.operation === 'Backup').length;
    if (atWork >= guests.config.parallelBackups) return false;
    await updateRecord(guests, id, (before) => locked(before, lock));
    return true;
  });
}

async function work(world: BackupWorld, pass: Pass<Backup>): Promise<BackupStep> {
  const { object, signal } = pass;
  const { uid } = object.metadata;
  const record = recordOf(world, object);
  if (record === undefined) return giveUp(world, pass);
  if (!world.working.has(uid)) world.working.set(uid, undefined);
  const again = () => world.guests.enqueue(CONTROLLERS.backups, keyOf(object.metadata));
  try {
    const made = await world.guests.jobs.run(
      groupOf(object),
      'archive',
      (until) => makeBackup(world, object, record, until),
      again,
      // This pass has the turn of the guest, which the work is about to need.
      0,
    );
    if (made === undefined) {
      const percent = world.working.get(uid);
      const follow = { type: 'follow', message: 'the archive is being filled', afterMs: FOLLOW_MS } as const;
      return percent === undefined ? follow : { ...follow, more: { progress: { percent } } };
    }
    world.working.delete(uid);
    return await say(world, pass, made.value);
  } catch (error) {
    world.working.delete(uid);
    if (signal.aborted) throw error;
    await undoOwn(world, object);
    const outcome = outcomeOf(error, 'BackupFailed');
    if (outcome.type === 'done') return { type: 'rest' };
    const { reason, message } = outcome;
    return error instanceof GateClosed || reason === 'StoragePoolNotReady'
      ? { type: 'wait', reason, message, afterMs: GATE_MS }
      : end(pass, jobEnd('Failed', reason, message));
  }
}

/** The guest was removed from this host in the middle: nobody holds its turn any more. */
async function giveUp(world: BackupWorld, pass: Pass<Backup>): Promise<JobEnd> {
  await giveUpWork(world, pass.object);
  const pool = world.guests.pools.get(pass.object.spec.pool);
  if (pool?.type === 'Open') await pool.driver.archives.remove(keyOfBackup(pass.object));
  const message = 'the guest has gone before its backup was whole';
  return end(pass, jobEnd('Failed', 'GuestDeleted', message));
}

/** The archive is whole: the lock goes first, so that a crash in between only says it later. */
async function say(
  world: BackupWorld,
  { object, event }: Pass<Backup>,
  manifest: ArchiveManifest,
): Promise<BackupStep> {
  const record = recordOf(world, object);
  // What the agent died over may be left: a snapshot it read from, a copy that was not closed.
  if (record?.lock?.by.uid === object.metadata.uid) await undoBackup(world, record, record.lock);
  await tidyMarks(world, object, true);
  world.guests.pools.used.tell(object.spec.pool);
  world.guests.settled.tell(guestOf(object).text);
  const said = wholeSaid(manifest, object.spec.mode);
  event(
    manifest.mode === (object.spec.mode ?? manifest.mode) ? 'Normal' : 'Warning',
    said.reason,
    said.message,
  );
  return { ...said, more: archiveFields(object, manifest) };
}
