/** Sums up what hosts report of a StoragePool, and keeps a pool that is still in use from going away. */

import { BACKUP_KEYS } from '../../api/backupKeys.ts';
import { IN_USE_FINALIZER } from '../../api/cluster.ts';
import { Secret } from '../../api/core.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Image } from '../../api/kinds/image.ts';
import { StoragePool, type StoragePoolStatus } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import { done, waiting } from '../../base/outcome.ts';
import { parseBytes, roundBytes } from '../../base/quantity.ts';
import type { Client, Informer } from '../../client/contract.ts';
import { type ConditionInput, removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { conditionsFor } from '../readiness.ts';
import { KEY_EXPORTED, keyExported } from './backupKey.ts';

/** Nobody tells of a Secret that has changed: soon while somebody has yet to do something about it. */
const KEY_RECHECK_MS = { exported: 60_000, open: 5_000 };

export type PoolSources = {
  client: Pick<Client, 'find'>;
  pools: Informer<StoragePool>;
  /** Has the index `pool`. */
  hosts: Informer<Host>;
  /** Has the index `pool`. */
  images: Informer<Image>;
  /** Keys of guests that name this pool. */
  guestsUsing(pool: string): string[];
};

type Report = NonNullable<NonNullable<Host['status']>['pools']>[number] & { host: string; online: boolean };

export function poolController(sources: PoolSources, triggers: readonly Trigger[]): Controller<StoragePool> {
  return {
    name: 'pools',
    kind: StoragePool,
    informer: sources.pools,
    writes: ['status'],
    finalizer: IN_USE_FINALIZER,
    triggers,
    access: [{ kind: Secret, verbs: ['get'], namespace: BACKUP_KEYS.namespace, names: [BACKUP_KEYS.name] }],
    reconcile: async ({ object: pool, now, signal }) => {
      const exported = await keyExported(sources.client, pool, signal);
      const recheckMs = exported?.status === 'True' ? KEY_RECHECK_MS.exported : KEY_RECHECK_MS.open;
      return {
        outcome: exported === undefined ? done : waiting('Watching', 'its key is looked at', recheckMs),
        status: poolStatus(pool, reportsOf(pool, sources), now, exported),
      };
    },
    remove: async ({ object: pool }) => {
      const users = usersOf(pool, sources);
      if (users.length === 0) return { outcome: done };
      return { outcome: waiting('InUse', `in use by ${users.slice(0, 5).join(', ')}`, 60_000) };
    },
  };
}

function usersOf(pool: Stored<StoragePool>, { images, guestsUsing }: PoolSources): string[] {
  const name = pool.metadata.name;
  return [
    ...guestsUsing(name),
    ...images.byIndex('pool', name).map((image) => `Image/${image.metadata.name}`),
  ];
}

function reportsOf(pool: Stored<StoragePool>, { hosts }: PoolSources): Report[] {
  return hosts
    .byIndex('pool', pool.metadata.name)
    .flatMap((host) =>
      (host.status?.pools ?? [])
        .filter((report) => report.name === pool.metadata.name)
        .map((report) => ({ ...report, host: host.metadata.name, online: host.status?.state === 'Online' })),
    )
    .toSorted((a, b) => (a.host < b.host ? -1 : 1));
}

/** The whole status from the hosts' reports. Pure. */
export function poolStatus(
  pool: Stored<StoragePool>,
  reports: readonly Report[],
  now: number,
  exported?: ConditionInput,
): StoragePoolStatus {
  const numbers = (pick: (report: Report) => string | undefined) =>
    reports.map((report) => parseBytes(pick(report) ?? '0'));
  // Hosts that share one directory all tell of the same bytes.
  const sum = (pick: (report: Report) => string | undefined) =>
    pool.spec.shared === true
      ? Math.max(0, ...numbers(pick))
      : numbers(pick).reduce((total, bytes) => total + bytes, 0);
  const first = reports[0];
  const { generation } = pool.metadata;
  const conditions = conditionsFor(pool, readiness(reports), now);
  const total = sum((report) => report.total);
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions:
      exported === undefined
        ? removeCondition(conditions, KEY_EXPORTED)
        : setCondition(conditions, exported, { now, generation }),
    ...(total === 0
      ? {}
      : {
          capacity: {
            total: roundBytes(total),
            used: roundBytes(sum((report) => report.used)),
            allocated: roundBytes(sum((report) => report.allocated)),
          },
        }),
    ...(first === undefined
      ? {}
      : {
          capabilities: {
            snapshot: first.snapshot,
            clone: first.clone,
            thin: first.thin,
            resize: first.resize,
            ...(reports.some(({ revoke }) => revoke === true) ? { revoke: true } : {}),
          },
        }),
    hosts: reports.map((report) => ({
      name: report.host,
      state: !report.online ? 'Unknown' : report.healthy ? 'Healthy' : 'Unhealthy',
      ...(report.message === undefined ? {} : { message: report.message }),
    })),
  };
}

function readiness(reports: readonly Report[]) {
  if (reports.length === 0) {
    return waiting('NoHostHasPool', 'no host has reported this pool yet');
  }
  const bad = reports.find((report) => !report.healthy);
  if (bad !== undefined)
    return waiting(bad.reason ?? 'Unhealthy', `${bad.host}: ${bad.message ?? 'cannot be used'}`);
  return done;
}
