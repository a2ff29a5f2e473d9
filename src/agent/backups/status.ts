/** The status of a Backup that this host makes. Pure. */
import type { Backup, BackupStatus } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';
import { formatBytes } from '../../base/quantity.ts';
import type { ArchiveManifest } from '../../drivers/storage/contract.ts';
import { JOB_STATUS_PATHS, jobEnd } from '../jobs/status.ts';
import { archiveNameOf } from './world.ts';

/** Paths an agent writes; `status.host` is the manager's. */
export const BACKUP_STATUS_PATHS: readonly string[] = [
  ...JOB_STATUS_PATHS,
  'status.progress',
  'status.takenAt',
  'status.mode',
  'status.consistency',
  'status.stillMilliseconds',
  'status.archive',
  'status.size',
  'status.encryptedFor',
  'status.needs',
  'status.parts',
  'status.verified',
];

/** What is said when the archive is whole. */
export function wholeSaid({ mode, parts }: ArchiveManifest, asked: Backup['spec']['mode']) {
  const fell = asked !== undefined && asked !== mode ? `; by ${mode}, as ${whyNot(asked)}` : '';
  const changed = parts.filter(({ base }) => base !== undefined).length;
  const since = changed === 0 ? '' : `, of ${changed} only what changed since an earlier one`;
  return jobEnd('Succeeded', 'BackedUp', `${parts.length} volumes are in the archive${since}${fell}`);
}

function whyNot(asked: string): string {
  return asked === 'Stop'
    ? 'it was interrupted after the guest had been stopped for it, which is done once only'
    : `${asked} cannot be had here`;
}

/** What the status says of a whole archive. */
export function archiveFields(backup: Stored<Backup>, manifest: ArchiveManifest): Partial<BackupStatus> {
  const { takenAt, mode, consistency, stillMilliseconds, parts, needs, encryption } = manifest;
  const size = parts.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  return {
    progress: { percent: 100 },
    takenAt,
    mode,
    consistency,
    stillMilliseconds,
    archive: archiveNameOf(backup),
    ...(size > 0 ? { size: formatBytes(size) } : {}),
    ...(encryption === undefined ? {} : { encryptedFor: encryption.recipient }),
    ...(needs === undefined ? {} : { needs: [...needs] }),
    parts: parts.map(({ name, file, sha256, sizeBytes, base, bitmap }) => ({
      name,
      file,
      sha256,
      ...(sizeBytes > 0 ? { size: formatBytes(sizeBytes) } : {}),
      ...(base === undefined ? {} : { base }),
      ...(bitmap === undefined ? {} : { bitmap }),
    })),
  };
}
