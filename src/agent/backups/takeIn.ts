/** Takes an archive in that is there already: it is read as a whole beside the passes, and its guest goes on meanwhile. */
import type { Backup, BackupStatus } from '../../api/kinds/backup.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { ArchiveManifest } from '../../drivers/storage/contract.ts';
import type { Pass } from '../../runtime/contract.ts';
import { CONTROLLERS } from '../access.ts';
import { type JobStep, jobEnd } from '../jobs/status.ts';
import { archiveFields, wholeSaid } from './status.ts';
import { archiveOf, type BackupWorld } from './world.ts';

/** It is called back at the end; this often it is looked whether that was missed. */
const FOLLOW_MS = 30_000;
/** What cannot be read yet is tried again after this. */
const AGAIN_MS = 5_000;

/** `group`: of the work on this Backup. What is there already is only told of. */
export async function takeIn(
  { guests }: BackupWorld,
  { object, signal }: Pass<Backup>,
  group: string,
): Promise<JobStep & { more?: Partial<BackupStatus> }> {
  try {
    const read = await guests.jobs.run(
      group,
      'import',
      (until) => readWhole(guests, object, until),
      () => guests.enqueue(CONTROLLERS.backups, keyOf(object.metadata)),
    );
    if (read === undefined)
      return { type: 'follow', message: 'the archive is being read', afterMs: FOLLOW_MS };
    const said = { ...wholeSaid(read.value, undefined), reason: 'Imported' };
    return { ...said, more: archiveFields(object, read.value) };
  } catch (error) {
    if (signal.aborted || !(error instanceof ReasonedError)) throw error;
    const { reason, message } = error;
    const mayCome = ['KeyMissing', 'KeyWrong', 'PoolMissing'].includes(reason) || !error.stalled;
    return mayCome ? { type: 'wait', reason, message, afterMs: AGAIN_MS } : jobEnd('Failed', reason, message);
  }
}

/** One archive after the other, of however many: a disk that reads several at once is slower at all of them. */
function readWhole(
  { pools, turns }: BackupWorld['guests'],
  backup: Stored<Backup>,
  signal: AbortSignal,
): Promise<ArchiveManifest> {
  const inTurn = turns.take('imports', async () => {
    signal.throwIfAborted();
    const { archives, name } = await archiveOf(pools, backup);
    return archives.verify(name, signal);
  });
  // Whoever calls it off waits for no other's turn.
  const calledOff = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([inTurn, calledOff]);
}
