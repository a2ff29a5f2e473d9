/** Which Backups somebody is about to have back: no rule of a schedule deletes them before that. Pure. */
import type { Restore } from '../../api/kinds/restore.ts';
import { isMachine, type StoredGuest } from '../guests.ts';

/** Names of those that a Restore of the namespace names which is not over, or that volumes are to be made of which are not made yet. */
export function wantedBackups(
  restores: readonly Restore[],
  guests: readonly StoredGuest[],
): ReadonlySet<string> {
  const named = restores.filter(({ status }) => status?.completedAt === undefined);
  return new Set([...named.map(({ spec }) => spec.backup), ...guests.flatMap(sourcesToCome)]);
}

function sourcesToCome(guest: StoredGuest): string[] {
  const made = new Set(guest.status?.volumes?.map(({ name }) => name));
  if (!isMachine(guest)) return made.size > 0 ? [] : [guest.spec.rootfs.source?.backup?.name ?? []].flat();
  const { disks = [] } = guest.spec;
  return disks.filter(({ name }) => !made.has(name)).flatMap(({ source }) => source?.backup?.name ?? []);
}
