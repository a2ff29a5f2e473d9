/** What hosts remember of a guest: before anything is placed, a guest that may exist somewhere is looked for. Pure. */

import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';

export type Found =
  /** This host has a record of it; it belongs there, with an epoch above all that were seen. */
  | { at: 'host'; host: string; epoch: number }
  /** Two hosts claim to run it: nobody may decide but a person. */
  | { at: 'several'; hosts: string[] }
  | { at: 'nowhere' };

/** `hosts` are those that list the uuid in their inventory. Of several the one that runs it wins; two that run it are a conflict. */
export function findGuest(uuid: string, hosts: readonly Stored<Host>[]): Found {
  const records = hosts.flatMap((host) =>
    (host.status?.guests ?? [])
      .filter((guest) => guest.uuid === uuid)
      .map((guest) => ({ host: host.metadata.name, epoch: guest.epoch, running: guest.running })),
  );
  if (records.length === 0) return { at: 'nowhere' };
  const epoch = Math.max(...records.map((record) => record.epoch)) + 1;
  const running = records.filter((record) => record.running);
  if (running.length > 1) return { at: 'several', hosts: running.map((record) => record.host).sort() };
  const newest = records.toSorted((a, b) => b.epoch - a.epoch || (a.host < b.host ? -1 : 1))[0];
  const host = running[0]?.host ?? newest?.host;
  return host === undefined ? { at: 'nowhere' } : { at: 'host', host, epoch };
}

/** Hosts that have not reported what they have to the present incarnation of the control plane. */
export function withoutInventory(hosts: readonly Stored<Host>[], incarnation: number): string[] {
  return hosts
    .filter((host) => host.status?.inventoryAt === undefined || (host.status.incarnation ?? 0) < incarnation)
    .map((host) => host.metadata.name)
    .sort();
}
