/**
 * Fills the archive of a Backup, beside the passes, while its lock stands in the record. The guest is only touched in its turn, and goes on
 * whatever happens: what is left is undone by whoever finds the lock.
 */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type {
  ArchiveAbout,
  ArchiveManifest,
  ArchiveSource,
  Archives,
} from '../../drivers/storage/contract.ts';
import { handleOf } from '../guests/gather.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { consistencyOf, FREEZE_MS, letGo } from '../snapshots/take.ts';
import { isOpen, type KeptVolume, takeVolumes, volumesOf } from '../snapshots/volumes.ts';
import { archivesIn, type BackupWorld } from './world.ts';

/** How often a hypervisor is asked how far its copies are. */
const POLL_MS = 500;

type Work = {
  world: BackupWorld;
  backup: Stored<Backup>;
  record: GuestRecord;
  lock: GuestLock;
  archives: Archives;
  volumes: readonly KeptVolume[];
  compression: ArchiveAbout['compression'];
  signal: AbortSignal;
};
type Taken = Pick<ArchiveAbout, 'mode' | 'consistency' | 'stillMilliseconds'> & { takenAt: number };

/** Resolves with the archive whole and shown. Throws ReasonedError, GateClosed included; then the lock stands and is to be undone. */
export async function makeBackup(
  world: BackupWorld,
  backup: Stored<Backup>,
  record: GuestRecord,
  signal: AbortSignal,
): Promise<ArchiveManifest> {
  const { lock } = record;
  if (lock === undefined) throw new Error(`the guest ${record.id} is not locked`);
  const archives = archivesIn(world.guests.pools, backup.spec.pool);
  const whole = await archives.read(lock.key);
  if (whole !== undefined) return whole;
  const volumes = await volumesOf(world, record.volumes);
  if (volumes.length === 0)
    throw new ReasonedError('NoVolumes', 'the guest has no volumes yet', { stalled: true });
  const hands = world.hands(record.kind);
  await hands.gate(record, signal);
  const compression = backup.spec.compression ?? 'Zstd';
  const work: Work = { world, backup, record, lock, archives, volumes, compression, signal };
  await archives.begin(lock.key);
  const taken = await takeAll(work);
  const guest = await hands.read(record, signal);
  await insistOnVolumes(work, guest?.metadata.uid);
  const { uid, uuid, kind, namespace, name } = record;
  const { takenAt, ...rest } = taken;
  return archives.finish(
    lock.key,
    {
      guest: { kind, namespace, name, uid, uuid },
      labels: guest?.metadata.labels ?? {},
      spec: guest?.spec,
      takenAt: `${new Date(takenAt).toISOString().slice(0, 19)}Z`,
      ...rest,
      compression,
    },
    signal,
  );
}

function takeAll(work: Work): Promise<Taken> {
  if (work.lock.held !== undefined) return saveStill(work);
  return work.record.kind === 'VirtualMachine' ? copyMachine(work) : copyContainer(work);
}

/** The guest is off and held there. */
async function saveStill(work: Work): Promise<Taken> {
  const { world, record, volumes, lock, backup } = work;
  const { clock } = world.guests.world;
  const began = clock.monotonic();
  const takenAt = clock.now();
  for (const { name, driver, id } of volumes) await save(work, { name, attachment: await driver.attach(id) });
  return {
    mode: lock.held?.wasOn === true ? 'Stop' : (backup.spec.mode ?? 'Snapshot'),
    consistency: consistencyOf(record, { state: 'Off' }, false),
    stillMilliseconds: lock.held?.wasOn === true ? Math.round(clock.monotonic() - began) : 0,
    takenAt,
  };
}

/** Its QEMU copies all disks as they are at one moment, which is all the guest stands still for. */
async function copyMachine(work: Work): Promise<Taken> {
  const { world, record, archives, lock, volumes, backup, signal, compression } = work;
  const { inGuest, observe } = world.hands(record.kind);
  if (inGuest === undefined)
    throw new ReasonedError('BackupUnsupported', 'this host cannot back up a running guest: use mode Stop', {
      stalled: true,
    });
  const handle = handleOf(world.guests.stateDirectory, record);
  const compress = compression !== 'None';
  const disks = await Promise.all(
    volumes.map(async ({ name, sizeBytes }) => {
      const path = await archives.target(lock.key, { name, sizeBytes, compression });
      return { name, path, compress };
    }),
  );
  const mode = backup.spec.mode === 'Suspend' ? 'Suspend' : 'Snapshot';
  const moment = await inTurn(work, () =>
    atOneMoment(work, mode === 'Suspend', () => inGuest.copies.begin(handle, disks)),
  );
  for (;;) {
    const progress = await inGuest.copies.progress(handle);
    world.working.set(backup.metadata.uid, progress);
    if (progress.done) break;
    await world.guests.world.clock.sleep(POLL_MS, signal);
  }
  await inGuest.copies.end(handle);
  // Until here the guest's process was the only one that knew; what it says of a guest that has just gone is nothing.
  if (!isOpen(await observe(handle)))
    throw new ReasonedError('CopyFailed', 'the guest went off just before its copy was closed');
  return { mode, ...moment };
}

/** From snapshots in its pools where they can; else by a copy in two passes, of which only the second is without writes. */
async function copyContainer(work: Work): Promise<Taken> {
  const { volumes, backup, world, record, lock, archives, signal } = work;
  const canSnapshot = volumes.every(({ kept }) => kept === 'Pool');
  if (canSnapshot && backup.spec.mode !== 'Suspend') {
    const guest = { hands: world.hands(record.kind), handle: handleOf(world.guests.stateDirectory, record) };
    const moment = await inTurn(work, () =>
      atOneMoment(work, true, () => takeVolumes(guest, lock.key, volumes, true)),
    );
    for (const { name, driver, id } of volumes)
      await save(work, { name, attachment: await driver.snapshots.attach(id, lock.key) });
    for (const { driver, id } of volumes) await driver.snapshots.remove(id, lock.key);
    return { mode: 'Snapshot', ...moment };
  }
  const sources = await Promise.all(
    volumes.map(async ({ name, driver, id }) => ({ name, attachment: await driver.attach(id) })),
  );
  const gather = async () => {
    for (const source of sources) await archives.gather(lock.key, source, signal);
  };
  await gather();
  const moment = await inTurn(work, () => atOneMoment(work, true, gather));
  for (const source of sources) await save(work, source);
  return { mode: 'Suspend', ...moment };
}

function save({ archives, lock, compression, signal }: Work, source: ArchiveSource): Promise<void> {
  return archives.save(lock.key, source, compression, signal);
}

/** Others that work on the guest wait, and so does its own controller: a moment, not the length of a copy. */
function inTurn<T>({ world, record, signal }: Work, deed: () => Promise<T>): Promise<T> {
  return world.guests.turns.take(record.id, async () => {
    signal.throwIfAborted();
    return deed();
  });
}

/** Freezes file systems where an agent can, lets the guest stand still where `pauses`, and lets it go on in any case. */
async function atOneMoment(
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

/** A guest that is removed meanwhile takes its volumes along, and a copy of half of a tree looks like a whole one. */
async function insistOnVolumes({ record, volumes }: Work, uid: string | undefined): Promise<void> {
  const there = await Promise.all(volumes.map(({ driver, id }) => driver.observe(id)));
  if (uid === record.uid && there.every((volume) => volume?.owner.guestUuid === record.uuid)) return;
  throw new ReasonedError('GuestDeleted', 'the guest has gone before its backup was whole', {
    stalled: true,
  });
}
