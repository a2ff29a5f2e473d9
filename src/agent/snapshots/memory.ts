/**
 * Takes a snapshot of a machine with its memory: that takes as long as the memory is large, so it is written beside the passes, while the guest
 * runs and its lock keeps others off. Only the moment itself, in which its disks are kept too, is taken in its turn.
 */
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { MemoryKeeping } from '../../drivers/hypervisor/contract.ts';
import type { GuestRecord, RecordedSnapshot } from '../record.ts';
import { type BegunSnapshot, beginSnapshot, finishSnapshot } from './take.ts';
import { takeVolumes } from './volumes.ts';
import type { Hands, SnapshotWorld } from './world.ts';

/** True of one that is to keep the memory of a guest that has some now: one that is off has none. */
export async function keepsMemory(
  hands: Pick<Hands, 'observe'>,
  { spec }: Stored<Snapshot>,
  handle: Parameters<Hands['observe']>[0],
): Promise<boolean> {
  return spec.memory === 'Include' && (await hands.observe(handle)).state !== 'Off';
}

/** Locks the guest. Throws ReasonedError MemoryUnsupported, GuestPaused, GateClosed and as any snapshot. */
export async function beginWithMemory(
  world: SnapshotWorld,
  record: GuestRecord,
  snapshot: Stored<Snapshot>,
  signal: AbortSignal,
): Promise<BegunSnapshot> {
  memoryOf(world.hands(record.kind));
  return beginSnapshot(world, record, snapshot, signal, { memory: true });
}

/** The rest of it, beside the passes. Throws ReasonedError; then the lock stands, and `undo` is to be called. */
export async function takeWithMemory(
  world: SnapshotWorld,
  begun: BegunSnapshot,
  signal: AbortSignal,
): Promise<RecordedSnapshot> {
  const { hands, handle, record, lock, volumes } = begun;
  const { turns, world: base } = world.guests;
  const memory = memoryOf(hands);
  await memory.gather(handle, lock.key, { signal });
  const moment = await turns.take(record.id, async () => {
    signal.throwIfAborted();
    const takenAt = base.clock.now();
    await takeVolumes({ hands, handle }, lock.key, volumes, true);
    return { takenAt, ...(await memory.release(handle, lock.key)) };
  });
  const memoryBytes = await memory.keep(handle, lock.key);
  return turns.take(record.id, async () => {
    signal.throwIfAborted();
    return finishSnapshot(world, begun, { ...moment, memoryBytes, consistency: 'Crash' });
  });
}

function memoryOf({ memory }: Hands): MemoryKeeping {
  if (memory !== undefined) return memory;
  const message = 'the memory of this guest cannot be kept on its host: take the snapshot without it';
  throw new ReasonedError('MemoryUnsupported', message, { stalled: true });
}
