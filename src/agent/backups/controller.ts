/** The controller of Backups of guests on this host: locks the guest, fills the archive beside the passes, removes it with its object. */
import { BACKUP_FINALIZER } from '../../api/cluster.ts';
import { Namespace } from '../../api/core.ts';
import { startedStamp } from '../../api/job.ts';
import { Backup } from '../../api/kinds/backup.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, type Outcome, outcomeOf, ReasonedError, waiting } from '../../base/outcome.ts';
import type { Informer, Informers } from '../../client/contract.ts';
import type { ArchiveManifest } from '../../drivers/storage/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { BACKUP_ACCESS, CONTROLLERS } from '../access.ts';
import { GateClosed } from '../guests/gate.ts';
import { handleOf } from '../guests/gather.ts';
import { locked, lockFor } from '../guests/locks.ts';
import { read } from '../guests/read.ts';
import { updateRecord } from '../guests/wiring.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { guestOf, wakeGuest, whereGuestIs } from '../snapshots/world.ts';
import { backupOf } from '../verifies/controller.ts';
import { type BackupEnd, type BackupFacts, decideBackup } from './decide.ts';
import { makeBackup } from './make.ts';
import { BACKUP_STATUS_PATHS, backupStatus, progressText, wholeSaid } from './status.ts';
import { undoBackup } from './undo.ts';
import { withVerified } from './verified.ts';
import { archiveOf, type BackupWorld, keyOfBackup } from './world.ts';

/** How far it is is said again after this. */
const FOLLOW_MS = 5_000;
/** A host that is busy with other backups is asked again after this. */
const BUSY_MS = 5_000;

/** The informer of backups given to this host, with the index its trigger uses. */
export function backupInformer(informers: Informers, host: string): Informer<Backup> {
  return informers.informer(Backup, {
    fieldSelector: `status.host=${host}`,
    indexes: { guest: (backup) => [guestOf(backup).text] },
  });
}

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
      {
        subscribe: (enqueue) =>
          guests.settled.listen((guest) => {
            for (const { metadata } of backups.byIndex('guest', guest)) enqueue(keyOf(metadata));
          }),
      },
      trigger(world.verifies, ({ after }) =>
        after?.status?.completedAt === undefined ? [] : [backupOf(after)],
      ),
    ],
    concurrency: 8,
    reconcile: (pass) => inTurn(world, pass.object, () => settle(world, pass)),
    remove: async (pass) => {
      // Before its turn: the work may be waiting for one.
      await guests.jobs.cancel(groupOf(pass.object));
      world.working.delete(pass.object.metadata.uid);
      return inTurn(world, pass.object, async () => ({ outcome: await remove(world, pass) }));
    },
  };
}

function groupOf({ metadata }: Stored<Backup>): string {
  return `backup/${metadata.uid}`;
}

async function inTurn<T>(world: BackupWorld, backup: Stored<Backup>, work: () => Promise<T>): Promise<T> {
  await world.guests.looked;
  const record = recordOf(world, backup);
  return record === undefined ? work() : world.guests.turns.take(record.id, work);
}

function recordOf({ guests }: BackupWorld, backup: Backup): GuestRecord | undefined {
  const { kind, key } = guestOf(backup);
  return guests.records.byKey(kind, key);
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
  const record = recordOf(world, backup);
  const guest = whereGuestIs(world, record);
  const lock = record === undefined ? 'Free' : lockFor(record, uid);
  const pool = world.guests.pools.get(backup.spec.pool);
  const mayBeWhole = backup.status?.completedAt === undefined && !world.working.has(uid);
  return {
    backup,
    now,
    guest,
    record: record && {
      lock,
      own: lock === 'Own' ? record.lock : undefined,
      isOn: record.run.live !== undefined,
    },
    observation:
      record === undefined || guest === 'Away'
        ? undefined
        : (await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record))).state,
    pool: poolOf(world, backup),
    whole:
      mayBeWhole && pool?.type === 'Open' ? await pool.driver.archives.read(keyOfBackup(backup)) : undefined,
    isWorking: world.working.has(uid),
  };
}

async function settle(world: BackupWorld, pass: Pass<Backup>): Promise<PassResult<Backup>> {
  if (pass.object.spec.import !== undefined && pass.object.status?.completedAt === undefined)
    return takeIn(world, pass);
  const decision = decideBackup(await factsOf(world, pass));
  const { object, now } = pass;
  switch (decision.type) {
    case 'rest': {
      const status = withVerified(object, world.verifies.byIndex('backup', keyOf(object.metadata)));
      return status === undefined ? { outcome: done } : { outcome: done, status };
    }
    case 'say':
      return say(world, pass, decision.manifest);
    case 'wait': {
      const { reason, message, afterMs } = decision;
      return { outcome: waiting(reason, message, afterMs), status: backupStatus(object, decision, now) };
    }
    case 'follow':
      return follow(pass, decision.message, 2_000);
    case 'begin':
      return begin(world, pass, decision.hold);
    case 'work':
      return work(world, pass);
    case 'undo':
      await undoOwn(world, object);
      return { outcome: waiting('Again', 'it was interrupted and is begun anew', 0) };
    case 'end':
      return end(pass, decision);
  }
}

/** What is there already is only told of. */
async function takeIn(world: BackupWorld, pass: Pass<Backup>): Promise<PassResult<Backup>> {
  const { object, now, signal } = pass;
  try {
    const { archives, name } = await archiveOf(world.guests.pools, object);
    const manifest = await archives.verify(name, signal);
    const said = { ...wholeSaid(manifest, undefined), reason: 'Imported' };
    return { outcome: done, status: backupStatus(object, said, now, manifest) };
  } catch (error) {
    if (signal.aborted || !(error instanceof ReasonedError)) throw error;
    const { reason, message } = error;
    const isFinal = error.stalled && reason !== 'KeyMissing' && reason !== 'KeyWrong';
    if (isFinal) return end(pass, { type: 'end', phase: 'Failed', reason, message });
    const said = { type: 'wait', reason, message } as const;
    return { outcome: waiting(reason, message, BUSY_MS), status: backupStatus(object, said, now) };
  }
}

function follow({ object, now }: Pass<Backup>, message: string, afterMs: number): PassResult<Backup> {
  const status = backupStatus(object, { type: 'follow', message }, now);
  return { outcome: waiting('Running', message, afterMs), status };
}

function end({ object, now, event }: Pass<Backup>, said: BackupEnd): PassResult<Backup> {
  if (said.phase === 'Failed') event('Warning', said.reason, said.message);
  return { outcome: done, status: backupStatus(object, said, now) };
}

async function begin(world: BackupWorld, pass: Pass<Backup>, hold: boolean): Promise<PassResult<Backup>> {
  const { object, now } = pass;
  const record = recordOf(world, object);
  if (record === undefined) return { outcome: waiting('GuestNotHere', 'the guest has just gone', 1_000) };
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
    ...(!hold && isRunning && observation.agentConnected === true ? { freezes: true } : {}),
  };
  if (!(await takeSlot(world, record, lock))) {
    const message = 'as many backups are made on this host as parallelBackups in its agent.yaml allows';
    const said = { type: 'wait', reason: 'HostBusy', message } as const;
    return { outcome: waiting('HostBusy', message, BUSY_MS), status: backupStatus(object, said, now) };
  }
  wakeGuest(world, record);
  // The guest is held off by its own controller first, in a turn of its own.
  if (hold) return follow(pass, 'the guest is held off', 50);
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

async function work(world: BackupWorld, pass: Pass<Backup>): Promise<PassResult<Backup>> {
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
    );
    if (made === undefined) return follow(pass, progressText(world.working.get(uid)), FOLLOW_MS);
    world.working.delete(uid);
    return await say(world, pass, made.value);
  } catch (error) {
    world.working.delete(uid);
    if (signal.aborted) throw error;
    await undoOwn(world, object);
    const outcome = outcomeOf(error, 'BackupFailed');
    if (outcome.type === 'done') return { outcome };
    const { reason, message } = outcome;
    if (!(error instanceof GateClosed) && reason !== 'StoragePoolNotReady')
      return end(pass, { type: 'end', phase: 'Failed', reason, message });
    const said = { type: 'wait', reason, message } as const;
    return { outcome: waiting(reason, message, 2_000), status: backupStatus(object, said, pass.now) };
  }
}

/** The guest was removed from this host in the middle: nobody holds its turn any more. */
async function giveUp(world: BackupWorld, pass: Pass<Backup>): Promise<PassResult<Backup>> {
  await world.guests.jobs.cancel(groupOf(pass.object));
  world.working.delete(pass.object.metadata.uid);
  const pool = world.guests.pools.get(pass.object.spec.pool);
  if (pool?.type === 'Open') await pool.driver.archives.remove(keyOfBackup(pass.object));
  const message = 'the guest has gone before its backup was whole';
  return end(pass, { type: 'end', phase: 'Failed', reason: 'GuestDeleted', message });
}

/** The archive is whole: the lock goes first, so that a crash in between only says it later. */
async function say(
  world: BackupWorld,
  { object, now, event }: Pass<Backup>,
  manifest: ArchiveManifest,
): Promise<PassResult<Backup>> {
  const record = recordOf(world, object);
  // What the agent died over may be left: a snapshot it read from, a copy that was not closed.
  if (record?.lock?.by.uid === object.metadata.uid) await undoBackup(world, record, record.lock);
  world.guests.pools.used.tell(object.spec.pool);
  world.guests.settled.tell(guestOf(object).text);
  const said = wholeSaid(manifest, object.spec.mode);
  event(
    manifest.mode === (object.spec.mode ?? manifest.mode) ? 'Normal' : 'Warning',
    said.reason,
    said.message,
  );
  return { outcome: done, status: backupStatus(object, said, now, manifest) };
}

/** While it cannot be undone the lock stays, and the pass is tried again with back-off. */
async function undoOwn(world: BackupWorld, backup: Stored<Backup>): Promise<void> {
  const record = recordOf(world, backup);
  if (record?.lock?.by.uid === backup.metadata.uid) await undoBackup(world, record, record.lock);
}

/** Whoever deletes a namespace has hardly thought of what was to outlive its guests. */
async function goesWithNamespace(
  { guests }: BackupWorld,
  { metadata }: Stored<Backup>,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await guests.client.find(Namespace, { name: metadata.namespace ?? 'default' }, read(signal));
  return found?.metadata.deletionTimestamp !== undefined;
}

/** `done` when nothing of it is left here, or what is left is to stay. */
async function remove(world: BackupWorld, { object, event, signal }: Pass<Backup>): Promise<Outcome> {
  try {
    await undoOwn(world, object);
    const { pool: name, deletionPolicy } = object.spec;
    // What an import never got hold of is not its own.
    if (object.spec.import !== undefined && object.status?.phase !== 'Succeeded') return done;
    if (deletionPolicy === 'Retain' || (await goesWithNamespace(world, object, signal))) return done;
    const pool = world.guests.pools.get(name);
    if (pool?.type === 'Open') {
      const archive = await archiveOf(world.guests.pools, object).catch((error: unknown) => {
        // An import that names another's archive, or one that has gone, has nothing of its own.
        if (error instanceof ReasonedError && error.stalled) return undefined;
        throw error;
      });
      await archive?.archives.remove(archive.name);
      world.guests.pools.used.tell(name);
      return done;
    }
    if (world.guests.poolInformer.get(name) === undefined) {
      event('Warning', 'ArchiveLeft', `the StoragePool ${name} is gone: the archive stays where it is`);
      return done;
    }
    if (pool?.type === 'Elsewhere') return done;
    return waiting('StoragePoolNotReady', `the archive is removed when ${name} can be used`, 60_000);
  } catch (error) {
    return outcomeOf(error, 'RemovalFailed');
  }
}
