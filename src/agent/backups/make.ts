/**
 * Fills the archive of a Backup, beside the passes, while its lock stands in the record. The guest is only touched in its turn, and goes on
 * whatever happens: what is left is undone by whoever finds the lock.
 */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { exactTimestamp } from '../../base/clock.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { parseBytes } from '../../base/quantity.ts';
import type { ArchiveManifest, ArchiveSource } from '../../drivers/storage/contract.ts';
import { handleOf } from '../guests/gather.ts';
import { createProgress } from '../jobs/progress.ts';
import type { GuestRecord } from '../record.ts';
import { consistencyOf } from '../snapshots/take.ts';
import { takeVolumes, volumesOf } from '../snapshots/volumes.ts';
import { guestOf } from '../snapshots/world.ts';
import { basesFor, fittingBases, isIncremental } from './bases.ts';
import { copyFromStart, copyMachine } from './machine.ts';
import { atOneMoment, inTurn, type Taken, type Work } from './work.ts';
import { archivesIn, type BackupWorld } from './world.ts';

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
  const { bandwidth } = backup.spec;
  const bytesPerSecond = bandwidth === undefined ? undefined : parseBytes(bandwidth);
  const begun = await archives.filling.begin(lock.key, {
    ...(backup.spec.encryption === 'Age' ? { encryption: 'Age' } : {}),
    ...(backup.spec.ioPriority === 'Idle' ? { ioPriority: 'Idle' } : {}),
    bases: basesFor(backup, world.backups.byIndex('guest', guestOf(backup).text)),
  });
  const bases = isIncremental(backup) ? fittingBases(begun, record, backup) : undefined;
  const { uid: job } = backup.metadata;
  const tell: Work['tell'] = (percent) => {
    if (world.working.has(job)) world.working.set(job, percent);
  };
  const follow: Work['follow'] = createProgress(volumes, tell).of;
  const work: Work = {
    ...{ world, backup, record, lock, archives, volumes, bases, compression, bytesPerSecond, signal },
    ...{ tell, follow },
  };
  const taken = await takeAll(work);
  const guest = await hands.read(record, signal);
  insistOnPlacement(work, guest?.status?.placement?.host);
  await insistOnVolumes(work, guest?.metadata.uid);
  const { uid, uuid, kind, namespace, name } = record;
  const { takenAt, ...rest } = taken;
  return archives.filling.finish(
    lock.key,
    {
      guest: { kind, namespace, name, uid, uuid },
      labels: guest?.metadata.labels ?? {},
      spec: guest?.spec,
      versions: { vireo: world.version, ...(guest === undefined ? {} : { spec: guest.apiVersion }) },
      takenAt: exactTimestamp(takenAt),
      ...rest,
      compression,
    },
    signal,
  );
}

function takeAll(work: Work): Promise<Taken> {
  const { lock, record, world } = work;
  const isMachine = record.kind === 'VirtualMachine';
  if (lock.held !== undefined) {
    const copies = isMachine && lock.held.wasOn && world.hands(record.kind).inGuest !== undefined;
    return copies ? copyFromStart(work) : saveStill(work);
  }
  return isMachine ? copyMachine(work) : copyContainer(work);
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

/** From snapshots in its pools where they can; else in two passes, of which only the second is without writes. */
async function copyContainer(work: Work): Promise<Taken> {
  const { volumes, backup, world, record, lock } = work;
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
  const whole = await packInPasses(work, sources);
  const moment = whole ?? (await gatherInPasses(work, sources));
  for (const source of sources) await save(work, source);
  return { mode: 'Suspend', ...moment };
}

type Moment = Omit<Taken, 'mode'>;

/** Right into the archive, which writes everything once; undefined: files were removed meanwhile, which an archive cannot say. */
async function packInPasses(work: Work, sources: readonly ArchiveSource[]): Promise<Moment | undefined> {
  const { archives, lock, compression, signal } = work;
  const all = async (pack: (source: ArchiveSource) => Promise<boolean>) => {
    for (const source of sources) if (!(await pack(source))) return false;
    return true;
  };
  if (!(await all((source) => archives.filling.pack(lock.key, limited(work, source), compression, signal))))
    return undefined;
  let isWhole = false;
  const moment = await inTurn(work, () =>
    atOneMoment(work, true, async () => {
      isWhole = await all((source) => archives.filling.packRest(lock.key, source, compression, signal));
    }),
  );
  return isWhole ? moment : undefined;
}

/** Beside the archive, from which `save` packs then. */
async function gatherInPasses(work: Work, sources: readonly ArchiveSource[]): Promise<Moment> {
  const { archives, lock, signal } = work;
  const gather = async (of: readonly ArchiveSource[]) => {
    for (const source of of) await archives.filling.gather(lock.key, source, signal);
  };
  await gather(sources.map((source) => limited(work, source)));
  // While the guest stands still nothing is slowed down.
  return inTurn(work, () => atOneMoment(work, true, () => gather(sources)));
}

function save(work: Work, source: ArchiveSource): Promise<void> {
  const { archives, lock, compression, signal } = work;
  return archives.filling.save(lock.key, limited(work, source), compression, signal);
}

function limited({ bytesPerSecond, follow }: Work, source: ArchiveSource): ArchiveSource {
  const followed = { ...source, follow: follow(source.name) };
  return bytesPerSecond === undefined ? followed : { ...followed, bytesPerSecond };
}

/** On shared storage another host may have written to what was read here last: of it no archive is shown. */
function insistOnPlacement({ world, record }: Work, host: string | undefined): void {
  if (host === undefined || host === world.guests.host) return;
  const message = `${record.name} was placed on ${host} before its backup was whole`;
  throw new ReasonedError('HostLost', message, { stalled: true });
}

/** A guest that is removed meanwhile takes its volumes along, and a copy of half of a tree looks like a whole one. */
async function insistOnVolumes({ record, volumes }: Work, uid: string | undefined): Promise<void> {
  const there = await Promise.all(volumes.map(({ driver, id }) => driver.observe(id)));
  if (uid === record.uid && there.every((volume) => volume?.owner.guestUuid === record.uuid)) return;
  throw new ReasonedError('GuestDeleted', 'the guest has gone before its backup was whole', {
    stalled: true,
  });
}
