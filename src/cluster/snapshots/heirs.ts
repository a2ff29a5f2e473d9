/**
 * Who looks after the archive of a Backup whose host has gone, is lost or has lost the pool. In a shared pool the archive lies on other hosts as
 * well: one of these takes the Backup over, so that it is verified, and deleted, there. In a pool of one host nobody else has it.
 */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type { Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { StoredGuest } from '../guests.ts';

export type HeirSources = {
  hosts: Informer<Host>;
  pool(name: string): StoragePool | undefined;
};

/** Nothing goes on there as far as anybody can tell. */
export function isLost(host: Host | undefined): boolean {
  const { state } = host?.status ?? {};
  return host === undefined || state === 'Fenced' || state === 'Offline';
}

/** The pools that can be used on a host that is heard. */
function usablePools({ status, metadata }: Host): string[] {
  if (status?.state !== 'Online' || metadata.deletionTimestamp !== undefined) return [];
  return (status.pools ?? []).filter(({ healthy }) => healthy).map(({ name }) => name);
}

/** It will not have the archive as long as this is so; one that is only suspected may be there again in a moment. */
function cannotHave(pool: string, host: Host | undefined): boolean {
  return isLost(host) || (host?.status?.state === 'Online' && !usablePools(host).includes(pool));
}

/** Nothing is made any more: its archive is only looked after. */
function isAtRest({ spec, status }: Backup): boolean {
  return status?.completedAt !== undefined || spec.import !== undefined;
}

/** The host that takes it over, that of its guest rather than another: marks on its disks are of use there. Undefined: it stays where it is. */
export function heirOf(
  backup: Stored<Backup>,
  guest: StoredGuest | undefined,
  { hosts, pool }: HeirSources,
): string | undefined {
  const { spec, status } = backup;
  if (status?.host === undefined || !isAtRest(backup) || pool(spec.pool)?.spec.shared !== true)
    return undefined;
  if (!cannotHave(spec.pool, hosts.get(status.host))) return undefined;
  const able = hosts
    .list()
    .filter((host) => usablePools(host).includes(spec.pool))
    .map(({ metadata }) => metadata.name)
    .sort();
  const placed = guest?.status?.placement?.host;
  return able.find((name) => name === placed) ?? able[0];
}

/** A host came to a pool, or left one: those Backups in it that may need another host. */
export function backupsOfPools({ hosts, pool }: HeirSources, backups: Informer<Backup>): Trigger {
  return trigger(hosts, ({ before, after }) => {
    const [was, is] = [before, after].map((host) => new Set(host === undefined ? [] : usablePools(host)));
    const changed = [...new Set([...(was ?? []), ...(is ?? [])])]
      .filter((name) => was?.has(name) !== is?.has(name))
      .filter((name) => pool(name)?.spec.shared === true);
    return changed.flatMap((name) =>
      backups
        .byIndex('pool', name)
        .filter(({ status }) => status?.host !== undefined && cannotHave(name, hosts.get(status.host)))
        .map(({ metadata }) => keyOf(metadata)),
    );
  });
}
