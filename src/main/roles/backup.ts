/** `vireo apiserver backup` and `restore`: the API server's whole state as one file, taken while it runs, put back where nothing is. */
import { join } from 'node:path';
import { timestamp } from '../../base/clock.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { readSnapshot, type StoreSnapshot, writeSnapshot } from '../../store/snapshot.ts';
import { type KeyFile, readArchive, writeArchive } from '../archive/archive.ts';
import { raiseIncarnation } from '../archive/rollback.ts';

/** The file and the API server's data directory. */
export type BackupOptions = { file: string; dataDirectory: string };

/** Without keys, Secrets stay sealed in the backup: it can lie where the keys must not. */
export type BackupContent = { keys: boolean };

/** What was written or put back. */
export type BackupResult = { objects: number; revision: number; takenAt: string };

/** Revisions between what clients of the old state may have seen and the first one of the restored state, as etcdutl takes. */
const revisionGap = 1_000_000_000;
const tries = 3;
const retryMs = 200;

/** Writes a backup of one moment; the server may run on. Throws ReasonedError NothingToBackUp or StoreDamaged. */
export async function backupApiserver(
  { file, dataDirectory }: BackupOptions,
  world: World,
  content: BackupContent = { keys: true },
): Promise<BackupResult> {
  const { revision, entries } = await snapshotOf(dataDirectory, world);
  const keys = content.keys ? await readKeys(world, join(dataDirectory, 'pki')) : [];
  const takenAt = timestamp(world.clock);
  await writeArchive(file, { takenAt, revision, keys, entries });
  return { objects: entries.length, revision, takenAt };
}

/** A write that the disk refused may be taken back under the reader's eyes; that is no damage, so it looks again. */
async function snapshotOf(dataDirectory: string, { files, clock }: World): Promise<StoreSnapshot> {
  const directory = join(dataDirectory, 'store');
  if ((await files.stat(directory)) === undefined) {
    throw new ReasonedError('NothingToBackUp', `there is no API server's state in ${dataDirectory}`, {
      stalled: true,
    });
  }
  for (let count = 1; ; count++) {
    try {
      return await readSnapshot(directory);
    } catch (error) {
      if (count >= tries) throw error;
      await clock.sleep(retryMs);
    }
  }
}

async function readKeys({ files }: World, directory: string): Promise<KeyFile[]> {
  const keys: KeyFile[] = [];
  for (const name of await files.list(directory)) {
    const path = join(directory, name);
    const stat = await files.stat(path);
    const bytes = stat?.kind === 'File' ? await files.readBytes(path) : undefined;
    if (stat !== undefined && bytes !== undefined) keys.push({ name, mode: stat.mode & 0o777, bytes });
  }
  return keys;
}

/**
 * Puts a backup into a data directory that is missing or empty. Everything is made beside it and moved there at once, so a crash
 * leaves either nothing or the whole. Throws ReasonedError DirectoryNotEmpty, BackupDamaged or BackupFormatUnknown.
 */
export async function restoreApiserver(
  { file, dataDirectory }: BackupOptions,
  world: World,
): Promise<BackupResult> {
  const { files, clock } = world;
  if ((await files.list(dataDirectory)).length > 0) {
    throw new ReasonedError(
      'DirectoryNotEmpty',
      `${dataDirectory} is not empty: move what is there away, a restore never overwrites`,
      { stalled: true },
    );
  }
  const { entries, keys, revision, takenAt } = await readArchive(file);
  const beside = `${dataDirectory}.restoring`;
  await files.removeTree(beside);
  const pki = join(beside, 'pki');
  await files.makeDirectory(keys.length > 0 ? pki : beside, { mode: 0o700 });
  for (const { name, mode, bytes } of keys)
    await files.writeAtomic(join(pki, plainName(name)), bytes, { mode });
  const restored = revision + revisionGap;
  await writeSnapshot(join(beside, 'store'), {
    revision: restored,
    entries: raiseIncarnation(entries, clock.now()),
  });
  await files.rename(beside, dataDirectory);
  return { objects: entries.length, revision: restored, takenAt };
}

function plainName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return name;
  throw new ReasonedError('BackupDamaged', `the backup names a file ${JSON.stringify(name)}`, {
    stalled: true,
  });
}
