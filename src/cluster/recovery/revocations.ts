/**
 * Storage that is taken from hosts that may be lost, as real objects say it: which pools can be, who can do it, and what became of each try. The
 * engine decides when (src/cluster/ha/revoking.ts), an agent elsewhere does it (src/agent/fencing). Pure.
 */
import type { FenceAction } from '../../api/kinds/fenceAction.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import type { HostView, Revocation, Since } from '../ha/model.ts';
import { isSameLife } from '../ha/model.ts';
import type { Observer } from '../ha/observer.ts';
import { isPresent } from '../ha/round.ts';

/** So long without anybody who could do it, a pool counts as one that cannot be taken: nobody waits for it any more. */
const NOBODY_MS = 10_000;

export type RevocationFacts = {
  hosts: ReadonlyMap<string, Stored<Host>>;
  views: ReadonlyMap<string, HostView>;
  pool(name: string): Stored<StoragePool> | undefined;
  observer: Observer;
  /** When the Leases had been read. */
  now: number;
};

/** Hosts whose agents can take each pool from another host, by name: they are heard, their agents work, the pool is well there. */
export function executorsOf({ hosts, views, observer, now, pool }: RevocationFacts): Map<string, string[]> {
  const alive = observer.alive(now);
  const able = new Map<string, string[]>();
  for (const [name, view] of views) {
    // Of one from which storage was taken itself nobody knows what its word is worth.
    if (!isPresent(view) || !alive.has(name) || !view.ready || view.record.revoked !== undefined) continue;
    for (const found of hosts.get(name)?.status?.pools ?? []) {
      if (found.revoke !== true || !found.healthy || !isRevocable(pool(found.name))) continue;
      able.set(found.name, [...(able.get(found.name) ?? []), name]);
    }
  }
  return able;
}

/** The pool can be taken from a host at all, by what its StoragePool says. */
export function isRevocable(pool: Stored<StoragePool> | undefined): boolean {
  return pool?.spec.shared === true && pool.status?.capabilities?.revoke === true;
}

/** Pools that can be taken from the hosts that are being fenced; looked for only while there are any. */
export function revocablePools(facts: RevocationFacts & { since: Since }): Set<string> {
  const { hosts, views, pool, since } = facts;
  if (![...views.values()].some(({ record }) => record.state === 'Fencing')) return new Set();
  const able = executorsOf(facts);
  const named = [...hosts.values()].flatMap(({ status }) =>
    (status?.pools ?? []).flatMap(({ name, revoke }) => (revoke === true ? [name] : [])),
  );
  return new Set(
    [...new Set(named)].filter(
      (name) => isRevocable(pool(name)) && since(`revoke-nobody/${name}`, !able.has(name)) < NOBODY_MS,
    ),
  );
}

/** Another one for each try, so that one who cannot is not asked for ever. */
export function executorFor({ id, host, pool }: Revocation, facts: RevocationFacts): string | undefined {
  const able = (executorsOf(facts).get(pool) ?? []).filter((name) => name !== host);
  const turn = Number(/-(\d+)$/.exec(id)?.[1] ?? 0);
  return able[turn % Math.max(1, able.length)];
}

/** Of open incidents: what was done to another life of the host says nothing. */
export function revocationsOf(
  actions: readonly Stored<FenceAction>[],
  views: ReadonlyMap<string, HostView>,
): Revocation[] {
  return actions.flatMap(({ metadata, spec, status }): Revocation[] => {
    const { host, incident, pool } = spec;
    const open = views.get(host)?.record.incident;
    if (spec.method !== 'Revoke' || pool === undefined) return [];
    if (open?.id !== incident || !isSameLife(open, spec)) return [];
    const phase = status?.phase;
    const isOver = phase === 'Revoked' || phase === 'Failed' || phase === 'Refused';
    return [{ id: metadata.name, host, incident, pool, ...(isOver ? { result: phase } : {}) }];
  });
}
