/** What the Verifies of a Backup have found, in its status. Pure. */
import type { Backup, BackupStatus } from '../../api/kinds/backup.ts';
import type { Verify } from '../../api/kinds/verify.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { byTime } from '../../base/clock.ts';

/** How a Verify ends that has found something out: all else only says that the archive could not be looked at, as when its pool is away. */
const findings: readonly string[] = [
  'Verified',
  'ArchiveBroken',
  'ArchiveMissing',
  'ArchiveBaseMissing',
  'ArchiveOfOther',
  'ArchiveTooNew',
];

/** The status with what was found last, of findings of one second a damage; undefined when it says so already. */
export function withVerified(
  { status, metadata }: Stored<Backup>,
  verifies: readonly Verify[],
): BackupStatus | undefined {
  const newest = verifies
    .filter(({ status: of }) => of?.completedAt !== undefined && findings.includes(reasonOf(of.conditions)))
    .toSorted(
      (a, b) =>
        byTime(a.status?.completedAt, b.status?.completedAt) || Number(foundWhole(b)) - Number(foundWhole(a)),
    )
    .at(-1);
  const { completedAt: at, message = '' } = newest?.status ?? {};
  if (newest === undefined || at === undefined) return undefined;
  const isWhole = foundWhole(newest);
  const { verified } = status ?? {};
  const later = byTime(at, verified?.at);
  if (later < 0 || (later === 0 && (isWhole || verified?.result === 'Damaged'))) return undefined;
  const { generation } = metadata;
  const condition: Condition = {
    type: 'Verified',
    status: isWhole ? 'True' : 'False',
    reason: reasonOf(newest.status?.conditions),
    message,
    lastTransitionTime: at,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  const others = (status?.conditions ?? []).filter(({ type }) => type !== 'Verified');
  return {
    ...status,
    conditions: [...others, condition],
    verified: { at, result: isWhole ? 'Whole' : 'Damaged', message },
  };
}

function foundWhole({ status }: Verify): boolean {
  return status?.phase === 'Succeeded';
}

function reasonOf(conditions: readonly Condition[] = []): string {
  return conditions.find(({ type }) => type === 'Ready')?.reason ?? 'Unknown';
}
