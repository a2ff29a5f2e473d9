/** The volumes of a guest that comes here: those on shared storage are there, the others are made blank, or received as they are. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { StoragePool, VolumeRequest } from '../../../drivers/storage/contract.ts';
import type { Attachments } from '../../guests/kind.ts';
import { updateRecord } from '../../guests/wiring.ts';
import type { ArrivingVolume } from '../state.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import { askVolume } from './ask.ts';

function openPool({ guests }: MoveWorld, name: string): StoragePool {
  const pool = guests.pools.get(name);
  if (pool?.type === 'Open') return pool.driver;
  throw new ReasonedError('StoragePoolNotReady', `the StoragePool ${name} is not open on the target`);
}

function requestOf(world: MoveWorld, { handle, guest }: MovePass, volume: ArrivingVolume): VolumeRequest {
  const idBase = world.guests.records.get(handle.id)?.idBase;
  return {
    id: volume.id,
    owner: { guestUuid: handle.uuid, guest: `${guest.namespace}/${guest.name}`, disk: volume.name },
    kind: volume.kind,
    format: volume.format,
    ...(volume.kind === 'Disk' ? { sizeBytes: volume.sizeBytes } : {}),
    ...(idBase === undefined ? {} : { idBase }),
  };
}

/** Written down before it is made, so that it goes when the guest does not come; never one that was there before. */
async function claim(
  world: MoveWorld,
  { handle }: MovePass,
  pool: StoragePool,
  volume: ArrivingVolume,
): Promise<void> {
  const made = world.guests.records.get(handle.id)?.incoming?.made ?? [];
  if (made.includes(volume.name)) return;
  if ((await pool.observe(volume.id)) !== undefined) {
    const message = `the target has a volume ${volume.id} of an earlier stay in ${volume.pool}: move it away, so that nothing is lost`;
    throw new ReasonedError('VolumeExists', message);
  }
  await updateRecord(world.guests, handle.id, (record) => {
    if (record.incoming === undefined) throw new Error(`the record of ${record.id} has lost its move`);
    return { ...record, incoming: { ...record.incoming, made: [...made, volume.name] } };
  });
}

/** The guest's volumes in a shared pool are the same here, unless they come from another one. */
function isThere({ capabilities }: StoragePool, { from }: ArrivingVolume): boolean {
  return capabilities.shared === true && from === undefined;
}

/** Volumes for a running guest: `sent` are those whose content comes with it. */
export async function makeVolumes(
  world: MoveWorld,
  pass: MovePass,
  volumes: readonly ArrivingVolume[],
  signal: AbortSignal,
): Promise<{ volumes: Attachments['volumes']; sent: string[] }> {
  const attached = new Map();
  const sent: string[] = [];
  for (const volume of volumes) {
    const pool = openPool(world, volume.pool);
    if (!isThere(pool, volume)) {
      await claim(world, pass, pool, volume);
      await pool.create(requestOf(world, pass, volume), signal);
      sent.push(volume.name);
    }
    attached.set(volume.name, { attachment: await pool.attach(volume.id), sizeBytes: volume.sizeBytes });
  }
  return { volumes: attached, sent };
}

/** One pass of copying. What a running guest still writes to is copied first only where that helps the second pass. */
export async function copyVolumes(
  world: MoveWorld,
  pass: MovePass,
  volumes: readonly ArrivingVolume[],
  options: { pass: 'First' | 'Final'; signal: AbortSignal; bytesPerSecond?: number },
): Promise<void> {
  const { signal, pass: which, bytesPerSecond } = options;
  for (const volume of volumes) {
    const pool = openPool(world, volume.pool);
    if (isThere(pool, volume) || (which === 'First' && volume.kind === 'Disk')) continue;
    if (pool.importVolume === undefined) {
      const message = `volumes of the StoragePool ${volume.pool} cannot be copied to another host`;
      throw new ReasonedError('PoolCannotMove', message);
    }
    await claim(world, pass, pool, volume);
    const limit = bytesPerSecond === undefined ? {} : { bytesPerSecond };
    const request = requestOf(world, pass, volume);
    await askVolume(world, pass, { name: volume.name, pass: which, ...limit }, signal, async (stream) =>
      pool.importVolume?.(request, stream, { pass: which, signal, ...limit }),
    );
    world.guests.pools.used.tell(volume.pool);
  }
}
