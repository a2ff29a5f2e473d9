/** What this host tells the cluster of its guests: everything it has a record of, running or not. Pure. */
import type { HostStatus } from '../../api/kinds/host.ts';
import { isShell } from '../guests/moving.ts';
import type { GuestRecord } from '../record.ts';

/** Most guests a Host can report, and so the most it takes. */
export const HOST_GUEST_LIMIT = 1024;

export type HostGuest = NonNullable<HostStatus['guests']>[number];

/** In the order of the uuid, so that equal inventories are equal texts. */
export function inventoryOf(
  records: readonly GuestRecord[],
  isRunning: (id: string) => boolean,
  loadOf: (id: string) => HostGuest['load'] = () => undefined,
): HostGuest[] {
  return records
    .map((record) => {
      const { uuid, kind, namespace, name, uid, epoch, id } = record;
      const running = isRunning(id) && !isShell(record);
      const load = running ? loadOf(id) : undefined;
      return { uuid, kind, namespace, name, uid, epoch, running, ...(load === undefined ? {} : { load }) };
    })
    .sort((a, b) => (a.uuid < b.uuid ? -1 : 1))
    .slice(0, HOST_GUEST_LIMIT);
}
