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
 * Where a guest can be made of what it is made from: on this host, or on any; and the pools that host must have beside the guest's own. `isFirm`: on no
 * other; else archives can be brought from it to another.
 */
export type Whereabouts = { host: string | undefined; isFirm: boolean; pools: readonly string[] };

/**
 * Where the snapshots and backups lie that a new guest is made from. An archive in a shared pool lies on all hosts that have the pool, whether or
 * not the one that made it is still there. One in a pool of one host is best used there. Once the guest was started its volumes
 * stand, and those need not.
 */
export function whereaboutsOf(
  { snapshots, backups }: Demand,
  find: {
    snapshot(name: string): Snapshot | undefined;
    backup(name: string): Backup | undefined;
    isShared(pool: string): boolean;
  },
): Whereabouts | { reason: string; message: string } {
  let host: string | undefined;
  let isFirm = false;
  const pools: string[] = [];
  const wanted = [
    ...snapshots.map((name) => ({ kind: 'Snapshot', name, status: find.snapshot(name)?.status, pool: '' })),
    ...backups.map((name) => {
      const { status, spec } = find.backup(name) ?? {};
      return { kind: 'Backup', name, status, pool: spec?.pool ?? '' };
    }),
  ];
  for (const { kind, name, status, pool } of wanted) {
    const { phase, host: at } = status ?? {};
    const isReady = phase === (kind === 'Snapshot' ? 'Ready' : 'Succeeded');
    if (isReady && pool !== '' && find.isShared(pool)) {
      pools.push(pool);
      continue;
    }
    if (!isReady || at === undefined)
      return { reason: `${kind}NotReady`, message: `${kind} "${name}" is not there or not ready` };
    if (kind === 'Snapshot' && host !== undefined && host !== at) {
      const message = `its snapshots lie on different hosts, ${host} and ${at}: make it from those of one`;
      return { reason: 'SnapshotsApart', message };
    }
    isFirm ||= kind === 'Snapshot';
    host ??= at;
  }
  return { host, isFirm, pools };
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
