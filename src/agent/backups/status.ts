/** The status of a Backup that this host makes. Pure. */
import type { Backup, BackupStatus } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { formatBytes } from '../../base/quantity.ts';
import type { ArchiveManifest } from '../../drivers/storage/contract.ts';
import { JOB_STATUS_PATHS, type JobSaid, jobStatus } from '../jobStatus.ts';
import { keyOfBackup, type Progress } from './world.ts';

/** Paths an agent writes; `status.host` is the manager's. */
export const BACKUP_STATUS_PATHS: readonly string[] = [
  ...JOB_STATUS_PATHS,
  'status.takenAt',
  'status.mode',
  'status.consistency',
  'status.stillMilliseconds',
  'status.archive',
  'status.size',
  'status.encryptedFor',
  'status.parts',
  'status.verified',
];

/** `now`: wall clock, milliseconds. */
export function backupStatus(
  backup: Stored<Backup>,
  said: JobSaid<'Succeeded' | 'Failed' | 'Skipped'>,
  now: number,
  manifest?: ArchiveManifest,
): BackupStatus {
  const status = jobStatus(backup, said, now);
  return manifest === undefined ? status : { ...status, ...fields(backup, manifest) };
}

/** What is said when the archive is whole. */
export function wholeSaid({ mode, parts }: ArchiveManifest, asked: Backup['spec']['mode']) {
  const fell = asked !== undefined && asked !== mode ? `; by ${mode}, as ${asked} cannot be had here` : '';
  return {
    type: 'end',
    phase: 'Succeeded',
    reason: 'BackedUp',
    message: `${parts.length} volumes are in the archive${fell}`,
  } as const;
}

/** How far it is, for people. */
export function progressText(progress: Progress | undefined): string {
  if (progress === undefined || progress.totalBytes === 0) return 'the archive is being filled';
  return `${Math.floor((100 * progress.copiedBytes) / progress.totalBytes)} % of the disks are copied`;
}

function fields(backup: Stored<Backup>, manifest: ArchiveManifest): Partial<BackupStatus> {
  const { takenAt, mode, consistency, stillMilliseconds, parts, encryption } = manifest;
  const size = parts.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  return {
    takenAt,
    mode,
    consistency,
    stillMilliseconds,
    archive: backup.spec.import?.archive ?? keyOfBackup(backup),
    ...(size > 0 ? { size: formatBytes(size) } : {}),
    ...(encryption === undefined ? {} : { encryptedFor: encryption.recipient }),
    parts: parts.map(({ name, file, sha256, sizeBytes }) => ({
      name,
      file,
      sha256,
      ...(sizeBytes > 0 ? { size: formatBytes(sizeBytes) } : {}),
    })),
  };
}
