/** What everybody who fills an archive works with: the guest, its lock, the archive, and a moment in which the guest stands still. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { ArchiveAbout, ArchiveBase, Archives, Follower } from '../../drivers/storage/contract.ts';
import { handleOf } from '../guests/gather.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { consistencyOf, FREEZE_MS, letGo } from '../snapshots/take.ts';
import { isOpen, type KeptVolume } from '../snapshots/volumes.ts';
import type { BackupWorld } from './world.ts';

/** One attempt to make a Backup. */
export type Work = {
  world: BackupWorld;
  backup: Stored<Backup>;
  record: GuestRecord;
  lock: GuestLock;
  archives: Archives;
  volumes: readonly KeptVolume[];
  /** What it may be based on, best first; undefined: it is of everything, and nothing is marked. */
  bases: readonly ArchiveBase[] | undefined;
  compression: ArchiveAbout['compression'];
  /** How fast the guest's volumes may be read. */
  bytesPerSecond: number | undefined;
  /** How many percent are copied. */
  tell(percent: number | undefined): void;
  /** Told how far a volume is. */
  follow(volume: string): Follower;
  signal: AbortSignal;
};

/** What was taken, and when; wall clock, milliseconds. */
export type Taken = Pick<ArchiveAbout, 'mode' | 'consistency' | 'stillMilliseconds'> & { takenAt: number };

/** Others that work on the guest wait, and so does its own controller: a moment, not the length of a copy. */
export function inTurn<T>({ world, record, signal }: Work, deed: () => Promise<T>): Promise<T> {
  return world.guests.turns.take(record.id, async () => {
    signal.throwIfAborted();
    return deed();
  });
}

/** Freezes file systems where an agent can, lets the guest stand still where `pauses`, and lets it go on in any case. */
export async function atOneMoment(
  { world, record, lock }: Work,
  pauses: boolean,
  deed: () => Promise<void>,
): Promise<Omit<Taken, 'mode'>> {
  const { clock } = world.guests.world;
  const { observe, pause, inGuest } = world.hands(record.kind);
  const handle = handleOf(world.guests.stateDirectory, record);
  const observation = await observe(handle);
  if (!isOpen(observation))
    throw new ReasonedError('CopyFailed', 'the guest went off before its backup began');
  const frozen = lock.freezes === true && (await inGuest?.freeze(handle, { timeoutMs: FREEZE_MS })) === true;
  const began = clock.monotonic();
  const takenAt = clock.now();
  try {
    if (pauses && lock.pauses === true) await pause(handle);
    await deed();
  } finally {
    await letGo(world, record, lock);
  }
  const stood = frozen || (pauses && lock.pauses === true);
  return {
    takenAt,
    consistency: consistencyOf(record, observation, frozen),
    stillMilliseconds: stood ? Math.round(clock.monotonic() - began) : 0,
  };
}
