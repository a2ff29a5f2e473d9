/** Which Backups can be counted on. Pure. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';

/** `all` of a guest. Those that were made, and of which neither they nor what they need was found damaged by a Verify. */
export function soundAmong(all: readonly Stored<Backup>[]): (backup: Stored<Backup>) => boolean {
  const damaged = new Set(
    all
      .filter(({ status }) => status?.verified?.result === 'Damaged')
      .flatMap(({ status }) => status?.archive ?? []),
  );
  return ({ status }) =>
    status?.phase === 'Succeeded' &&
    status.verified?.result !== 'Damaged' &&
    !(status.needs ?? []).some((archive) => damaged.has(archive));
}
