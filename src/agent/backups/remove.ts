/** Removes what a Backup has made here when its object is deleted, and says what keeps it from going. */
import { Namespace } from '../../api/core.ts';
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { done, type Outcome, outcomeOf, ReasonedError, waiting } from '../../base/outcome.ts';
import { readiness } from '../../runtime/conditions.ts';
import type { Pass, PassResult } from '../../runtime/contract.ts';
import { read } from '../guests/read.ts';
import { recordOf } from '../jobs/guest.ts';
import { isIncremental, tidyMarks } from './bases.ts';
import { undoBackup } from './undo.ts';
import { archiveOf, type BackupWorld } from './world.ts';

/** The last one that needs an archive wakes its Backup; one that has no Backup any more does not. */
const NEEDED_MS = 600_000;

/** While it cannot be undone the lock stays, and the pass is tried again with back-off. */
export async function undoOwn(world: BackupWorld, backup: Stored<Backup>): Promise<void> {
  const record = recordOf(world, backup);
  if (record?.lock?.by.uid !== backup.metadata.uid) return;
  await undoBackup(world, record, record.lock);
  if (isIncremental(backup)) await tidyMarks(world, backup, false);
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

/** What keeps it from going is said where whoever deleted it looks. */
export async function removeBackup(world: BackupWorld, pass: Pass<Backup>): Promise<PassResult<Backup>> {
  const { object, now } = pass;
  const outcome = await removeArchive(world, pass);
  if (outcome.type === 'done') return { outcome };
  const { status, metadata } = object;
  const at = { now, generation: metadata.generation };
  const conditions = readiness(status?.conditions ?? [], outcome, GOING, at);
  return { outcome, status: { ...status, conditions, message: outcome.message.slice(0, 1_024) } };
}

/** Only for what is gone by then. */
const GOING = { status: 'False', reason: 'Deleted', message: '' } as const;

/** `done` when nothing of it is left here, or what is left is to stay. */
async function removeArchive(world: BackupWorld, { object, event, signal }: Pass<Backup>): Promise<Outcome> {
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
      try {
        await archive?.archives.remove(archive.name);
      } catch (error) {
        if (!(error instanceof ReasonedError) || error.reason !== 'ArchiveNeeded') throw error;
        event('Warning', error.reason, error.message);
        return waiting(error.reason, error.message, NEEDED_MS);
      }
      world.guests.pools.used.tell(name);
      return done;
    }
    if (world.guests.poolInformer.get(name) === undefined) {
      event('Warning', 'ArchiveLeft', `the StoragePool ${name} is gone: the archive stays where it is`);
      return done;
    }
    if (pool?.type === 'Elsewhere') return done;
    const why = pool?.type === 'Broken' ? ` (${pool.message})` : '';
    const message = `the archive is removed when the StoragePool ${name} can be used on this host${why}: have it back, or set spec.deletionPolicy to Retain, which leaves the archive where it is`;
    return waiting('StoragePoolNotReady', message, 60_000);
  } catch (error) {
    return outcomeOf(error, 'RemovalFailed');
  }
}
