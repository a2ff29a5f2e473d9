/**
 * Shared pools of the model, some of which take no write of a host any more once they are told so, whatever runs there: revoked for one boot at a time
 * by an agent elsewhere, and lifted only when the host is back in another boot.
 */
import { isSameLife } from '../../cluster/ha/model.ts';
import type { Objects, StoredRevocation } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { SimHost } from './host.ts';
import { unreported } from './restored.ts';

export type Storages = {
  /** Pools that can be revoked, by name. */
  readonly revocable: ReadonlySet<string>;
  set(pools: readonly { name: string; revocable?: boolean }[]): void;
  /** Some pool takes no writes of this host. */
  isRevoked(host: string): boolean;
  /** Some volume of the guest takes writes of this host: one of which nothing is known does. */
  mayWrite(host: string, guest: string): boolean;
  /** Some volume of the guest takes none. */
  isTakenFrom(host: string, guest: string): boolean;
  /** The agent that is named is told to revoke. */
  execute(id: string): void;
  /** This host's agent gives storage back to hosts that live in another boot by now. */
  lift(by: SimHost): void;
};

const REVOKE_TAKES_MS = 300;
const GIVES_UP_MS = 3_000;

export function createStorages(cluster: Cluster): Storages {
  const { api, schedule } = cluster;
  const revocable = new Set<string>();
  /** Boots by pool and host. */
  const revoked = new Map<string, Set<string>>();
  const boots = (pool: string, host: string) => revoked.get(`${pool}/${host}`) ?? new Set();
  const isRevoked = (pool: string, host: string) => boots(pool, host).size > 0;
  const poolsOf = (guest: string) => api.objects.guests.get(guest)?.value.spec.pools;
  const callerOf = ({ name, deliver }: SimHost) => ({ host: name, deliver });

  const finish = (by: SimHost, id: string, result: NonNullable<StoredRevocation['result']>): void =>
    api.call(
      callerOf(by),
      2_000,
      ({ revocations }) => {
        const stored = revocations.get(id);
        // One that was given up and has been done after all is what it is.
        const isNews = stored?.value.result === undefined || result === 'Revoked';
        if (stored !== undefined && isNews)
          revocations.set(id, { version: api.version(), value: { ...stored.value, result } });
      },
      (answer) => {
        if (!answer.ok) by.after(500, () => finish(by, id, result));
      },
    );

  const revoke = (by: SimHost, { id, pool, host, life }: StoredRevocation): void => {
    if (by.storage === 'Cut') {
      by.after(GIVES_UP_MS, () => finish(by, id, 'Failed'));
      return;
    }
    schedule.after(REVOKE_TAKES_MS, () => {
      cluster.trace(by.name, 'Revoke', host, { reason: pool });
      revoked.set(`${pool}/${host}`, new Set([...boots(pool, host), life.bootID]));
      by.deliver(() => finish(by, id, 'Revoked'));
    });
  };

  return {
    revocable,
    set: (pools) => {
      for (const pool of pools) if (pool.revocable === true) revocable.add(pool.name);
    },
    isRevoked: (host) => [...revocable].some((pool) => isRevoked(pool, host)),
    mayWrite: (host, guest) => {
      const pools = poolsOf(guest) ?? [];
      return pools.length === 0 || pools.some((pool) => !isRevoked(pool, host));
    },
    isTakenFrom: (host, guest) => poolsOf(guest)?.some((pool) => isRevoked(pool, host)) === true,
    execute: (id) => {
      const asked = api.objects.revocations.get(id)?.value;
      const by = asked === undefined ? undefined : cluster.host(asked.executor);
      if (asked === undefined || by === undefined) return;
      by.after(20, () =>
        api.call(
          callerOf(by),
          2_000,
          ({ leases, hosts, revocations }) => ({
            lease: leases.get(asked.host)?.value,
            record: hosts.get(asked.host)?.value,
            result: revocations.get(id)?.value.result,
          }),
          (answer) => {
            if (!answer.ok || answer.value.result !== undefined) return;
            const { lease, record } = answer.value;
            const isOpen = record?.state === 'Fencing' && record.incident?.id === asked.incident;
            if (isOpen && (lease === undefined || isSameLife(lease, asked.life))) revoke(by, asked);
            else finish(by, id, 'Refused');
          },
        ),
      );
    },
    lift: (by) => {
      if (revoked.size === 0 || by.storage === 'Cut') return;
      api.call(
        callerOf(by),
        2_000,
        (objects) => new Map([...objects.hosts.keys()].map((name) => [name, bootOf(name, objects)])),
        (answer) => {
          if (!answer.ok) return;
          for (const [name, present] of answer.value) {
            const isAnyBoot = cluster.flaw.agent === 'LiftsInAnyBoot';
            for (const pool of present === undefined && !isAnyBoot ? [] : revocable) {
              const left = [...boots(pool, name)].filter((boot) => boot === present && !isAnyBoot);
              if (left.length === boots(pool, name).size) continue;
              cluster.trace(by.name, 'Lift', name, { reason: pool });
              if (left.length === 0) revoked.delete(`${pool}/${name}`);
              else revoked.set(`${pool}/${name}`, new Set(left));
              const host = cluster.host(name);
              if (host !== undefined) cluster.invariants.executing(host);
            }
          }
        },
      );
    },
  };
}

/** The boot in which the host is there again, by the manager's record, its Lease and its agent; undefined while they do not agree. */
function bootOf(name: string, objects: Objects): string | undefined {
  const { state, life } = objects.hosts.get(name)?.value ?? {};
  const isPresent = state === 'Online' || state === 'Maintenance';
  const words = [objects.leases.get(name)?.value.bootID, objects.statements.get(name)?.value.life.bootID];
  const isSaid = isPresent && unreported(objects).length === 0;
  return isSaid && words.every((word) => word === life?.bootID) ? life?.bootID : undefined;
}
