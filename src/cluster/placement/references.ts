/** Whether what a guest names exists and admits its namespace: asked before a host is chosen, so that the reason names the field. Pure. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Image } from '../../api/kinds/image.ts';
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Demand } from '../guests.ts';

export type Lookup = {
  pool(name: string): StoragePool | undefined;
  image(name: string): Image | undefined;
};

/**
 * The host on which the snapshots and backups lie that a new guest is made from; undefined when it is made from none. Once it was started its
 * volumes stand, and those need not.
 */
export function hostOfSources(
  { snapshots, backups }: Demand,
  find: { snapshot(name: string): Snapshot | undefined; backup(name: string): Backup | undefined },
): { host: string | undefined } | { reason: string; message: string } {
  let host: string | undefined;
  const wanted = [
    ...snapshots.map((name) => ({ kind: 'Snapshot', name, status: find.snapshot(name)?.status })),
    ...backups.map((name) => ({ kind: 'Backup', name, status: find.backup(name)?.status })),
  ];
  for (const { kind, name, status } of wanted) {
    const { phase, host: at } = status ?? {};
    if (phase !== (kind === 'Snapshot' ? 'Ready' : 'Succeeded') || at === undefined)
      return { reason: `${kind}NotReady`, message: `${kind} "${name}" is not there or not ready` };
    if (host !== undefined && host !== at) {
      const message = `its snapshots and backups lie on different hosts, ${host} and ${at}: make it from those of one`;
      return { reason: 'SnapshotsApart', message };
    }
    host = at;
  }
  return { host };
}

/** The first reference that cannot be used yet, as a reason and a message; undefined when all can. */
export function brokenReference(
  demand: Demand,
  namespace: string,
  lookup: Lookup,
): { reason: string; message: string } | undefined {
  for (const name of demand.pools) {
    const pool = lookup.pool(name);
    if (pool === undefined) {
      return {
        reason: 'StoragePoolNotFound',
        message: `StoragePool "${name}" does not exist; the guest goes on when it is created`,
      };
    }
    if (!admits(pool.spec.allowedNamespaces, namespace)) return notAllowed('StoragePool', name, namespace);
  }
  for (const name of demand.images) {
    const image = lookup.image(name);
    if (image === undefined) {
      return {
        reason: 'ImageNotFound',
        message: `Image "${name}" does not exist; the guest goes on when it is created`,
      };
    }
    if (!admits(image.spec.allowedNamespaces, namespace)) return notAllowed('Image', name, namespace);
  }
  return undefined;
}

function admits(allowed: readonly string[] | undefined, namespace: string): boolean {
  return allowed === undefined || allowed.length === 0 || allowed.includes(namespace);
}

function notAllowed(kind: string, name: string, namespace: string) {
  return {
    reason: 'NotAllowedInNamespace',
    message: `${kind} "${name}" may not be used from namespace ${namespace}: see its spec.allowedNamespaces`,
  };
}
