/** What backups work with on one host: what snapshots do, and which of them this agent is at. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Verify } from '../../api/kinds/verify.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Archives } from '../../drivers/storage/contract.ts';
import type { PoolTable } from '../pools/table.ts';
import type { GuestLock } from '../record.ts';
import type { SnapshotWorld } from '../snapshots/world.ts';

export type BackupWorld = SnapshotWorld & {
  /** Backups given to this host. */
  backups: Informer<Backup>;
  /** Verifies given to this host, with the index `backup`. */
  verifies: Informer<Verify>;
  /** By uid: those whose archive this agent fills, and how many percent are copied as far as that is known. */
  working: Map<string, number | undefined>;
  /** Of this agent. */
  version: string;
};

/** Name of an archive, and of a snapshot it is read from: by the object's uid, so that no later object of its name is taken for it. */
export function keyOfBackup({ metadata }: Stored<Backup>): string {
  return `backup-${metadata.uid}`;
}

/** Name of the archive that it makes, or that it was made for. */
export function archiveNameOf(backup: Stored<Backup>): string {
  return backup.spec.import?.archive ?? keyOfBackup(backup);
}

/**
 * Where the archive of a Backup is. What an import names is believed only when the archive says so itself. Throws ReasonedError
 * StoragePoolNotReady, ArchiveMissing, ArchiveOfOther, ArchiveBroken.
 */
export async function archiveOf(
  pools: Pick<PoolTable, 'get'>,
  backup: Stored<Backup>,
): Promise<{ archives: Archives; name: string }> {
  const { metadata, spec } = backup;
  const archives = archivesIn(pools, spec.pool);
  if (spec.import === undefined) return { archives, name: keyOfBackup(backup) };
  const name = spec.import.archive;
  const manifest = await archives.read(name);
  if (manifest === undefined)
    throw new ReasonedError('ArchiveMissing', `the pool ${spec.pool} holds no archive ${name}`, {
      stalled: true,
    });
  const { guest } = manifest;
  const isOwn =
    guest.kind === spec.guest.kind &&
    guest.name === spec.guest.name &&
    guest.namespace === (metadata.namespace ?? 'default');
  if (isOwn) return { archives, name };
  const message = `the archive ${name} is not one of ${spec.guest.kind} ${spec.guest.name} of this namespace`;
  throw new ReasonedError('ArchiveOfOther', message, { stalled: true });
}

/** Throws ReasonedError StoragePoolNotReady. */
export function archivesIn(pools: Pick<PoolTable, 'get'>, pool: string): Archives {
  const state = pools.get(pool);
  if (state?.type === 'Open') return state.driver.archives;
  throw new ReasonedError('StoragePoolNotReady', `the StoragePool ${pool} cannot be used here at the moment`);
}

/** The archives of the pool a lock is about, while they can be reached. */
export function archivesOf({ guests }: SnapshotWorld, { pool }: GuestLock): Archives | undefined {
  const state = pool === undefined ? undefined : guests.pools.get(pool);
  return state?.type === 'Open' ? state.driver.archives : undefined;
}
