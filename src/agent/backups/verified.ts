/** What the Verifies of a Backup have found, in its status. Pure. */
import type { Backup, BackupStatus } from '../../api/kinds/backup.ts';
import type { Verify } from '../../api/kinds/verify.ts';
import type { Condition, Stored } from '../../api/meta.ts';

/** What only says that nothing could be looked at. */
const noFinding: readonly string[] = [
  'Expired',
  'BackupNotFound',
  'BackupNotReady',
  'RestoredCopy',
  'KeyMissing',
  'KeyWrong',
];

/** The status with what was found last; undefined when it says so already. */
export function withVerified(
  { status, metadata }: Stored<Backup>,
  verifies: readonly Verify[],
): BackupStatus | undefined {
  const newest = verifies
    .filter(({ status: of }) => of?.completedAt !== undefined && !noFinding.includes(reasonOf(of.conditions)))
    .toSorted((a, b) => (a.status?.completedAt ?? '').localeCompare(b.status?.completedAt ?? ''))
    .at(-1)?.status;
  const at = newest?.completedAt;
  if (newest === undefined || at === undefined || at <= (status?.verified?.at ?? '')) return undefined;
  const isWhole = newest.phase === 'Succeeded';
  const message = newest.message ?? '';
  const { generation } = metadata;
  const condition: Condition = {
    type: 'Verified',
    status: isWhole ? 'True' : 'False',
    reason: reasonOf(newest.conditions),
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

function reasonOf(conditions: readonly Condition[] = []): string {
  return conditions.find(({ type }) => type === 'Ready')?.reason ?? 'Unknown';
}
