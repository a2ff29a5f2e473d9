/**
 * Looks after what was taken from hosts: renewed for as long as the host has not been seen in another boot, and given back then. By each agent that has
 * the pool open, whoever took it: that one may be gone.
 */
import { CLUSTER_CONFIG_MAP, keeperLeaseName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { ConfigMap, Lease } from '../../api/core.ts';
import { readStatement } from '../../api/keeperLease.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/contract.ts';
import type { HostBoot, PoolFacts, Revocations } from '../../drivers/storage/contract.ts';
import type { ControlPlane } from '../cluster/controlPlane.ts';
import { isSilent } from '../cluster/elsewhere.ts';

export type UpkeepDeps = {
  clock: Pick<Clock, 'monotonic'>;
  host: string;
  client: Pick<Client, 'find'>;
  controlPlane: Pick<ControlPlane, 'trust' | 'matches' | 'restored'>;
  /** What was taken in this pool by the API: storage may have forgotten it, and who took it may be gone. */
  taken(pool: string): readonly Taken[];
};

/** `by`: whose agent has taken it from the host in this boot. */
export type Taken = HostBoot & { by: string };

/** `own`: boots of this host of which the pool takes no writes. `isSoon`: there is something that this host should see end soon. */
export type Kept = { own: readonly HostBoot[]; isSoon: boolean };

export type Upkeep = (pool: string, revocations: Revocations, signal: AbortSignal) => Promise<Kept>;

export const STORAGE_REVOKED = 'StorageRevoked';
/** Hosts that are there have told a restored API of themselves by then. */
const SPOKEN_MS = 60_000;

/** The answer says what holds after it has looked; what the API does not tell now is left as it is. */
export function createUpkeep({ clock, host: own, client, controlPlane, taken }: UpkeepDeps): Upkeep {
  let heard = { restored: 0, at: Number.NEGATIVE_INFINITY };

  /** The API was restored a moment ago, and hosts that are there have not all spoken: what it says of them may be long over. */
  const isJustRestored = (): boolean => {
    const restored = controlPlane.restored();
    if (restored !== heard.restored) heard = { restored, at: clock.monotonic() };
    return clock.monotonic() - heard.at < SPOKEN_MS;
  };

  const isTrusted = async (signal: AbortSignal): Promise<boolean> => {
    if (controlPlane.trust().type !== 'Trusted') return false;
    const ref = { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP };
    return controlPlane.matches((await client.find(ConfigMap, ref, { signal }))?.data);
  };

  const look = async (boot: HostBoot, revocations: Revocations, signal: AbortSignal): Promise<void> => {
    const { host: name } = boot;
    const host = await client.find(Host, { name }, { signal });
    if (host?.status?.ha?.revoked === boot.bootID) return revocations.revoke(boot);
    const lease = { namespace: SYSTEM_NAMESPACE, name: keeperLeaseName(name) };
    const present = presentBoot(host, await client.find(Lease, lease, { signal }), controlPlane.restored());
    if (present !== undefined && present !== boot.bootID) await revocations.restore(boot);
  };

  /** One host may have been lost in many boots: it is in one of them at most. */
  const remind = async (forgotten: readonly HostBoot[], revocations: Revocations, signal: AbortSignal) => {
    for (const name of new Set(forgotten.map((boot) => boot.host))) {
      const host = await client.find(Host, { name }, { signal });
      const due = forgotten.find((boot) => boot.host === name && boot.bootID === host?.status?.ha?.revoked);
      if (host === undefined || due === undefined) continue;
      const { keeper } = host.status ?? {};
      const isOver = isSilent(host, controlPlane.restored())
        ? isJustRestored()
        : keeper !== undefined && keeper.bootID !== due.bootID;
      if (!isOver) await revocations.revoke({ host: name, bootID: due.bootID });
    }
  };

  return async (pool, revocations, signal) => {
    const asked = taken(pool);
    const listed = await revocations.list();
    const forgotten = asked.filter((boot) => !listed.some((other) => isSame(boot, other)));
    const isAny = listed.length > 0 || forgotten.length > 0;
    if (isAny && (await isTrusted(signal))) {
      for (const boot of listed) await look(boot, revocations, signal);
      await remind(forgotten, revocations, signal);
    }
    const left = isAny ? await revocations.list() : [];
    const mine = left.filter(({ host }) => host === own);
    const isOurs = (boot: HostBoot) => asked.some((other) => other.by === own && isSame(boot, other));
    return { own: mine, isSoon: mine.length > 0 || left.some(isOurs) };
  };
}

function isSame(a: HostBoot, b: HostBoot): boolean {
  return a.host === b.host && a.bootID === b.bootID;
}

/**
 * The boot in which the host is there again, by the manager's record, its Lease and its agent; undefined while they do not agree, or its agent has not
 * spoken since the API was restored: what was stored before may be of an earlier boot.
 */
function presentBoot(
  host: Stored<Host> | undefined,
  lease: Stored<Lease> | undefined,
  restored: number,
): string | undefined {
  const { ha, keeper } = host?.status ?? {};
  if (host === undefined || isSilent(host, restored)) return undefined;
  if (ha?.state !== 'Online' && ha?.state !== 'Maintenance') return undefined;
  const words = [keeper?.bootID, lease === undefined ? undefined : readStatement(lease.metadata)?.bootID];
  return words.every((word) => word === ha.life?.bootID) ? ha.life?.bootID : undefined;
}

/** What the host says of a pool that takes none of its writes: guests are not to come here for it. */
export function withoutWrites(
  facts: PoolFacts,
  own: readonly HostBoot[],
  bootID: string | undefined,
): PoolFacts {
  if (own.length === 0) return facts;
  const message = own.some((boot) => boot.bootID === bootID)
    ? 'it was taken from this host in this boot, because nobody heard it: restart the host'
    : 'it was taken from this host in an earlier boot: it is given back once high availability has this one on record';
  return { ...facts, healthy: false, reason: STORAGE_REVOKED, message };
}
