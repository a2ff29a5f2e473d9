/** Which Backups can be counted on. Pure. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Stored } from '../../api/meta.ts';

export type IsGone = (backup: Stored<Backup>) => boolean;

/** Its archive lay in a pool of one host, and that was removed: nobody can read it. */
export function isGoneWithHost(
  { spec, status }: Stored<Backup>,
  { isHost, isShared }: { isHost(name: string): boolean; isShared(pool: string): boolean },
): boolean {
  return status?.host !== undefined && !isHost(status.host) && !isShared(spec.pool);
}

/** `all` of a guest. Those that were made, and of which neither they nor what they need is gone, or was found damaged by a Verify. */
export function soundAmong(
  all: readonly Stored<Backup>[],
  isGone: IsGone,
): (backup: Stored<Backup>) => boolean {
  const isBad = (backup: Stored<Backup>) => backup.status?.verified?.result === 'Damaged' || isGone(backup);
  const damaged = new Set(all.filter(isBad).flatMap(({ status }) => status?.archive ?? []));
  return (backup) =>
    backup.status?.phase === 'Succeeded' &&
    !isBad(backup) &&
    !(backup.status.needs ?? []).some((archive) => damaged.has(archive));
}
