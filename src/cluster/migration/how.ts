/** Whether a guest moves while it runs, by what is asked and what its host says. Pure. */
import type { MigrationSpec } from '../../api/kinds/migration.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { isMachine, type StoredGuest } from '../guests.ts';

export type Reason = { reason: string; message: string };

/** Live only what runs and can; a stopped guest moves its disks, whatever was asked. */
export function howToMove(
  wanted: MigrationSpec['type'],
  guest: StoredGuest,
): 'Live' | 'Offline' | Reason | undefined {
  if (!isMachine(guest)) {
    if (wanted !== 'Live') return 'Offline';
    return {
      reason: 'NotMigratable',
      message: 'a container cannot move while it runs: use type Offline or Auto',
    };
  }
  if (wanted === 'Offline' || findCondition(guest.status?.conditions, 'Running')?.status !== 'True')
    return 'Offline';
  const migratable = findCondition(guest.status?.conditions, 'Migratable');
  if (migratable === undefined) return undefined;
  if (migratable.status === 'True') return 'Live';
  return wanted !== 'Live' ? 'Offline' : { reason: 'NotMigratable', message: migratable.message };
}

/** How high availability moves a guest: live where it can, else by a stop. */
export function howItMoves(guest: StoredGuest): 'Live' | 'Offline' {
  const isMigratable = findCondition(guest.status?.conditions, 'Migratable')?.status === 'True';
  return isMachine(guest) && isMigratable ? 'Live' : 'Offline';
}
