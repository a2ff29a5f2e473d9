/** Copies of a machine's disks by its QEMU: while it runs, or from the first instruction after it was shut down for its backup. */
import { ReasonedError } from '../../base/outcome.ts';
import type { CopyBegun } from '../../drivers/hypervisor/contract.ts';
import { handleOf } from '../guests/gather.ts';
import { unlocked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import { percentOf } from '../jobs/progress.ts';
import { consistencyOf } from '../snapshots/take.ts';
import { isOpen } from '../snapshots/volumes.ts';
import { wakeGuest } from '../snapshots/world.ts';
import { basesOfDisk, bitmapOf } from './bases.ts';
import { atOneMoment, inTurn, type Taken, type Work } from './work.ts';

/**
 * A hypervisor is asked how far its copies are soon, for there may be little to copy, and then less and less often: of the time they take an
 * eighth at most is waited for nothing.
 */
const POLL_MS = { least: 5, most: 100 };
const POLL_SHARE = 8;
/** A machine that was stopped for its backup has so long to be there again. */
const START_MS = 600_000;
const START_POLL_MS = 100;

/** Its QEMU copies all disks as they are at one moment, which is all the guest stands still for. */
export async function copyMachine(work: Work): Promise<Taken> {
  const { world, record, backup } = work;
  const { inGuest } = world.hands(record.kind);
  if (inGuest === undefined)
    throw new ReasonedError('BackupUnsupported', 'this host cannot back up a running guest: use mode Stop', {
      stalled: true,
    });
  const handle = handleOf(world.guests.stateDirectory, record);
  const disks = await makeTargets(work);
  const mode = backup.spec.mode === 'Suspend' ? 'Suspend' : 'Snapshot';
  let begun: readonly CopyBegun[] = [];
  const moment = await inTurn(work, () =>
    atOneMoment(work, mode === 'Suspend', async () => {
      begun = await inGuest.copies.begin(handle, disks);
    }),
  );
  await copied(work, begun);
  return { mode, ...moment };
}

function makeTargets({ archives, lock, volumes, bases, compression, bytesPerSecond }: Work) {
  return Promise.all(
    volumes.map(async ({ name, sizeBytes }) => {
      const known = bases === undefined ? [] : basesOfDisk(bases, { name, sizeBytes });
      const holdsAll = known.length === 0;
      const path = await archives.filling.target(lock.key, { name, sizeBytes, compression, holdsAll });
      // All are read at the same time.
      const share =
        bytesPerSecond === undefined ? {} : { bytesPerSecond: Math.ceil(bytesPerSecond / volumes.length) };
      const since = bases === undefined ? {} : { mark: lock.key, since: known };
      return { name, path, compress: compression !== 'None', ...share, ...since };
    }),
  );
}

/** Follows the copies of a running machine to their end, and writes down what they are of. */
async function copied(
  { world, record, backup, archives, lock, bases, signal, tell }: Work,
  begun: readonly CopyBegun[],
): Promise<void> {
  const { inGuest, observe } = world.hands(record.kind);
  const handle = handleOf(world.guests.stateDirectory, record);
  const { clock } = world.guests.world;
  const began = clock.monotonic();
  for (;;) {
    const progress = await inGuest?.copies.progress(handle).catch(orPoolFull(backup.spec.pool));
    if (progress === undefined || progress.done) break;
    tell(percentOf({ doneBytes: progress.copiedBytes, totalBytes: progress.totalBytes }));
    const waitMs = Math.min(Math.max((clock.monotonic() - began) / POLL_SHARE, POLL_MS.least), POLL_MS.most);
    await clock.sleep(waitMs, signal);
  }
  await inGuest?.copies.end(handle);
  // Until here the guest's process was the only one that knew; what it says of a guest that has just gone is nothing.
  if (!isOpen(await observe(handle)))
    throw new ReasonedError('CopyFailed', 'the guest went off just before its copy was closed');
  if (bases === undefined) return;
  for (const each of begun) {
    const base = each.since === undefined ? {} : { base: each.since };
    archives.filling.holds(lock.key, each.name, { bitmap: bitmapOf(each), ...base });
  }
}

/** The hypervisor writes the archive itself, and has its own words for a pool that is full. */
function orPoolFull(pool: string): (error: unknown) => never {
  return (error) => {
    const isFull =
      error instanceof ReasonedError && /No space left on device|Disk quota exceeded/.test(error.message);
    if (!isFull) throw error;
    const message = `the pool ${pool} has no room for the rest of the archive; free or add space`;
    throw new ReasonedError('PoolFull', message);
  };
}

/** The machine is off in order and held there: it is started again at once, and copied as it was before its first instruction. */
export async function copyFromStart(work: Work): Promise<Taken> {
  const { world, record, lock, signal } = work;
  const { clock } = world.guests.world;
  const stoodSince = clock.monotonic();
  const consistency = consistencyOf(record, { state: 'Off' }, false);
  const disks = await makeTargets(work);
  const { held: _, ...rest } = lock;
  await inTurn(work, () =>
    updateRecord(world.guests, record.id, (before) => ({
      ...unlocked(before),
      lock: { ...rest, copies: { disks } },
    })),
  );
  wakeGuest(world, record);
  const until = clock.monotonic() + START_MS;
  for (;;) {
    const { begunAt, begun = [], failed } = world.guests.records.get(record.id)?.lock?.copies ?? {};
    if (failed !== undefined) throw new ReasonedError('CopyFailed', failed);
    if (begunAt !== undefined) {
      const stillMilliseconds = Math.round(clock.monotonic() - stoodSince);
      await copied(work, begun);
      return { mode: 'Stop', consistency, stillMilliseconds, takenAt: begunAt };
    }
    if (clock.monotonic() > until)
      throw new ReasonedError('CopyFailed', 'the guest was not started again: see its condition Ready');
    await clock.sleep(START_POLL_MS, signal);
  }
}
