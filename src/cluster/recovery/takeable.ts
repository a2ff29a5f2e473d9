/**
 * Whether taking its storage from a host would prove enough of its guests, if it were lost now: what `storageRevocation: Sufficient` is worth for it.
 * By the same facts as the engine (src/cluster/ha/revocations.ts), and no more than it would do. Pure.
 */
import type { ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import type { Container } from '../../api/kinds/container.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import type { Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { StoredGuest } from '../guests.ts';
import { isProtected } from '../ha/hosts.ts';
import type { GuestView } from '../ha/model.ts';
import { guestView, isWatched } from './guestViews.ts';
import { isRevocable } from './revocations.ts';
import { hostRecordOf } from './stored.ts';

/** All guests for which the host would be fenced lie in these pools, or why that is not so of one of them. */
export type Takeable = { pools: readonly string[] } | { lacks: string };

export type TakeableFacts = {
  policy: ClusterPolicy;
  /** Placed on the host. */
  guests: readonly StoredGuest[];
  pool(name: string): Stored<StoragePool> | undefined;
  /** Those that have this pool. */
  hostsWith(pool: string): readonly Stored<Host>[];
};

export type TakingSources = {
  /** Has the index `pool`. */
  hosts: Informer<Host>;
  pools: Informer<StoragePool>;
  machines: Informer<VirtualMachine>;
  containers: Informer<Container>;
};

/** Undefined: it is not asked for, or the host has nobody for whom it would be fenced. */
export function takeableFrom(
  { metadata: { name } }: Stored<Host>,
  { policy, guests, pool, hostsWith }: TakeableFacts,
): Takeable | undefined {
  if (policy.spec.storageRevocation !== 'Sufficient') return undefined;
  const known = guests.flatMap((guest) => (isWatched(guest) ? (guestView(guest) ?? []) : []));
  const fencedFor = known.filter(isProtected).sort((a, b) => (a.id < b.id ? -1 : 1));
  if (fencedFor.length === 0) return undefined;
  const lack = (guest: GuestView): string | undefined => {
    const { id, pools = [] } = guest;
    const [kept] = pools.filter((one) => !isRevocable(pool(one)));
    if (kept !== undefined)
      return `nor does storageRevocation: the pool ${kept} of ${id} cannot be taken from it`;
    const [alone] = pools.filter(
      (one) => !hostsWith(one).some((host) => isOther(host) && canTake(host, one)),
    );
    if (alone !== undefined)
      return `nor does storageRevocation: no other host can take the pool ${alone} of ${id} from it now`;
    return pools.length === 0 ? `nor does storageRevocation: ${id} has no volume to take` : undefined;
  };
  const isOther = (host: Stored<Host>) => host.metadata.name !== name;
  for (const guest of fencedFor) {
    const lacks = lack(guest);
    if (lacks !== undefined) return { lacks };
  }
  return { pools: [...new Set(fencedFor.flatMap(({ pools = [] }) => pools))].sort() };
}

/** By what is stored: whether it is heard in this moment the engine sees itself. */
function canTake(host: Stored<Host>, pool: string): boolean {
  const { status } = host;
  const record = hostRecordOf(status);
  return (
    (record.state === 'Online' || record.state === 'Maintenance') &&
    record.revoked === undefined &&
    findCondition(status?.conditions, 'AgentReady')?.status === 'True' &&
    status?.pools?.some((found) => found.name === pool && found.revoke === true && found.healthy) === true
  );
}

/** Hosts to look at again when guests, pools or what hosts can do with them have changed, while it is asked for. */
export function takingTriggers(
  { hosts, pools, machines, containers }: TakingSources,
  policy: () => ClusterPolicy | undefined,
): Trigger[] {
  const isAsked = () => policy()?.spec.storageRevocation === 'Sufficient';
  const withPools = (names: readonly string[]) => [
    ...new Set(names.flatMap((pool) => hosts.byIndex('pool', pool).map(({ metadata }) => metadata.name))),
  ];
  const hostsOf = ({ before, after }: { before?: StoredGuest; after?: StoredGuest }) =>
    !isAsked() || storageOf(before) === storageOf(after)
      ? []
      : [before, after].flatMap((guest) => guest?.status?.placement?.host ?? []);
  return [
    trigger(machines, hostsOf),
    trigger(containers, hostsOf),
    trigger(pools, ({ key, before, after }) =>
      !isAsked() || isRevocable(before) === isRevocable(after) ? [] : withPools([key]),
    ),
    trigger(hosts, ({ before, after }) => {
      if (!isAsked()) return [];
      const [old, now] = [takenBy(before), takenBy(after)];
      const changed = [
        ...old.filter((pool) => !now.includes(pool)),
        ...now.filter((pool) => !old.includes(pool)),
      ];
      return withPools(changed);
    }),
  ];
}

function takenBy(host: Stored<Host> | undefined): string[] {
  if (host === undefined) return [];
  return (host.status?.pools ?? []).flatMap(({ name }) => (canTake(host, name) ? [name] : []));
}

/** What the host of a guest is judged by of it, as one text. */
function storageOf(guest: StoredGuest | undefined): string {
  const view = guest === undefined || !isWatched(guest) ? undefined : guestView(guest);
  if (view === undefined || !isProtected(view)) return '';
  return [view.record.placement?.host, ...(view.pools ?? [])].join();
}
