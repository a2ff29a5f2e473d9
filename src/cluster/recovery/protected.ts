/** Keeps the condition Protected of guests with `ha`: whether they would be recovered if their host died now. */
import { CLUSTER_POLICY, type ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import { type KindRef, keyOf, type Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { done } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import { findCondition, removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { FENCING_READY } from '../fencing/readiness.ts';
import type { Guest, StoredGuest } from '../guests.ts';
import { type Protection, protectionOf } from './protection.ts';

/** Of guests; absent while high availability is off, or does not answer for the guest. */
export const PROTECTED = 'Protected';

export type ProtectedSources = {
  /** Has the index `pool`. */
  hosts: Informer<Host>;
  pools: Informer<StoragePool>;
  policies: Informer<ClusterPolicy>;
  clock: Clock;
};

/** Pools of many hosts change together, as when a manager begins: all their guests are looked at once. */
const TOGETHER_MS = 2_000;

/** For one kind of guests. `informer` has the indexes `ha`, `host` and `pool`. */
export function protectedController<T extends Guest>(
  kind: KindRef<T>,
  informer: Informer<T>,
  sources: ProtectedSources,
): Controller<T> {
  const { hosts, pools, policies } = sources;
  const keys = (guests: readonly Stored<T>[]) =>
    guests.flatMap((guest) => (isAsked(guest) ? [keyOf(guest.metadata)] : []));
  const judge = (guest: Stored<T>): Protection | undefined => {
    const policy = policies.get(CLUSTER_POLICY);
    const host = hosts.get(guest.status?.placement?.host ?? '');
    if (policy === undefined || host === undefined || !isAsked(guest)) return undefined;
    return protectionOf(guest, {
      ...{ policy, host, pool: (name) => pools.get(name) },
      hostsWith: (pool) => hosts.byIndex('pool', pool),
    });
  };
  return {
    name: `protected-${kind.kind.toLowerCase()}`,
    kind,
    informer,
    writes: [`status.conditions.${PROTECTED}`],
    selects: (guest) => (isAsked(guest) && policies.get(CLUSTER_POLICY) !== undefined) || isTold(guest),
    triggers: [
      trigger(hosts, ({ key, before, after }) =>
        proofOf(before) === proofOf(after) ? [] : keys(informer.byIndex('host', key)),
      ),
      poolsOfHosts(sources, (pool) => keys(informer.byIndex('pool', pool))),
      trigger(pools, ({ key, before, after }) =>
        before?.spec.shared === after?.spec.shared ? [] : keys(informer.byIndex('pool', key)),
      ),
      trigger(policies, ({ before, after }) =>
        askedOf(before) === askedOf(after) ? [] : keys(informer.byIndex('ha', 'yes')),
      ),
    ],
    reconcile: async ({ object, now }) => {
      const { conditions = [] } = object.status ?? {};
      const judged = judge(object);
      if (judged === undefined && !isTold(object)) return { outcome: done };
      const { generation } = object.metadata;
      const next =
        judged === undefined
          ? removeCondition(conditions, PROTECTED)
          : setCondition(conditions, { type: PROTECTED, ...judged }, { now, generation });
      return { outcome: done, status: { ...object.status, conditions: next } as T['status'] };
    },
  };
}

function isAsked({ spec: { ha }, metadata }: StoredGuest): boolean {
  return (
    ha !== undefined && (ha.mode ?? 'Protected') === 'Protected' && metadata.deletionTimestamp === undefined
  );
}

function isTold({ status }: Stored<Guest>): boolean {
  return findCondition(status?.conditions, PROTECTED) !== undefined;
}

/** What guests are judged by of their host, and of the policy: other changes concern none of them. */
function proofOf(host: Stored<Host> | undefined): string {
  const fencing = findCondition(host?.status?.conditions, FENCING_READY);
  return `${fencing?.status} ${fencing?.reason} ${host?.status?.keeper?.watchdog}`;
}

function askedOf(policy: Stored<ClusterPolicy> | undefined): string {
  const { haPaused, selfFenceWithoutWatchdog } = policy?.spec ?? {};
  return `${policy === undefined} ${haPaused !== undefined} ${selfFenceWithoutWatchdog}`;
}

/** A pool came to a host or went from one: its guests are looked at, those of all that change together at one time. */
function poolsOfHosts({ hosts, clock }: ProtectedSources, keysIn: (pool: string) => string[]): Trigger {
  return {
    kind: hosts.kind,
    subscribe: (enqueue) => {
      const changed = new Set<string>();
      let cancel: (() => void) | undefined;
      const tell = () => {
        cancel = undefined;
        for (const key of new Set([...changed].flatMap(keysIn))) enqueue(key);
        changed.clear();
      };
      const stop = hosts.onChange(({ before, after }) => {
        const [old, now] = [poolsOn(before), poolsOn(after)];
        for (const pool of old) if (!now.has(pool)) changed.add(pool);
        for (const pool of now) if (!old.has(pool)) changed.add(pool);
        if (changed.size > 0) cancel ??= clock.after(TOGETHER_MS, tell);
      });
      return () => {
        stop();
        cancel?.();
      };
    },
  };
}

function poolsOn(host: Stored<Host> | undefined): Set<string> {
  return new Set(host?.status?.pools?.map(({ name }) => name));
}
