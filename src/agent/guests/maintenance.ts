/** Whether a guest is to be off because its host is in maintenance, whatever its run strategy says. Pure. */
import type { GuestScope } from './scope.ts';

/** Written by the cluster into status.maintenance, and taken away when the maintenance is over. */
export function isStoppedForMaintenance({ object, host }: Pick<GuestScope, 'object' | 'host'>): boolean {
  const { maintenance } = object.status ?? {};
  return maintenance?.action === 'Stop' && maintenance.host === host;
}
