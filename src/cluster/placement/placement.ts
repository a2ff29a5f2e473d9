/**
 * Gives every guest that wants to run a host, by one compare-and-swap of status.placement, and finalizes guests that never had
 * one. Once placed, a guest is its agent's; this controller does not touch it again.
 */
import { GUEST_FINALIZER, STARTED_ANNOTATION } from '../../api/cluster.ts';
import { type GuestStatus, strategyOf } from '../../api/guest.ts';
import { guestUuid } from '../../api/identity.ts';
import type { Backup } from '../../api/kinds/backup.ts';
import type { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Image } from '../../api/kinds/image.ts';
import type { Operation } from '../../api/kinds/operation.ts';
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { KindRef, Stored } from '../../api/meta.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult, Trigger } from '../../runtime/contract.ts';
import { demandOf, type Guest, nameOf, needingPools } from '../guests.ts';
import type { ClusterIdentity } from '../incarnation/incarnation.ts';
import type { SeenIncarnations } from '../incarnation/seen.ts';
import { type Choice, isBetter } from './choose.ts';
import { type Found, findGuest, withoutInventory } from './inventory.ts';
import type { Ledger } from './ledger.ts';
import type { Line } from './line.ts';
import { brokenReference, whereaboutsOf } from './references.ts';
import type { Scheduler } from './scheduler.ts';
import { placedStatus, unplacedStatus } from './status.ts';

export type PlacementSources = {
  hosts: Informer<Host>;
  groups: Informer<HAGroup>;
  pools: Informer<StoragePool>;
  images: Informer<Image>;
  snapshots: Informer<Snapshot>;
  backups: Informer<Backup>;
  /** Has the index `guest`: `<kind>/<namespace>/<name>`. */
  operations: Informer<Operation>;
  ledger: Ledger;
  scheduler: Scheduler;
  incarnations: SeenIncarnations;
  line: Line;
  cluster(): ClusterIdentity;
  /** What a guest's HAGroup promises others: why it cannot be given a host that would take it. One that is not refused counts as there. */
  refusal?(guest: Guest, host: string): string | undefined;
};

const WRITES = [
  'status.placement',
  'status.phase',
  'status.observedGeneration',
  ...['Scheduled', 'Ready', 'Reconciling', 'Stalled'].map((type) => `status.conditions.${type}`),
];

export function placementController<T extends Guest>(
  kind: KindRef<T>,
  informer: Informer<T>,
  sources: PlacementSources,
  triggers: readonly Trigger[],
): Controller<T> {
  return {
    name: `placement-${kind.kind.toLowerCase()}`,
    kind,
    informer,
    writes: WRITES,
    access: [{ kind, verbs: ['patch'] }],
    selects: (guest) => guest.status?.placement === undefined || isBehind(guest, sources),
    triggers,
    concurrency: 8,
    reconcile: (pass) => place(pass, kind, sources),
  };
}

/** Hosts that can take a guest wake it; that often the reasons why none can are looked at again. */
const RECHECK_MS = 60_000;

/** One pass over a guest without a host. */
async function place<T extends Guest>(
  pass: Pass<T>,
  kind: KindRef<T>,
  sources: PlacementSources,
): Promise<PassResult<T>> {
  const guest = pass.object;
  sources.line.leave(guestKey(guest));
  if (guest.status?.placement !== undefined && !isBehind(guest, sources)) return { outcome: done };
  // A claim of an earlier pass whose write was refused must not stay promised.
  if (guest.status?.placement === undefined) sources.ledger.forget(guestKey(guest));
  const found = search(guest, sources);
  if (found.at === 'several') {
    return unplaced(
      pass,
      stalled('RunsTwice', `hosts ${found.hosts.join(' and ')} both run this guest: stop one by hand`),
    );
  }
  if (found.at === 'host') return claim(pass, found.host, found.epoch, sources);
  if (guest.metadata.deletionTimestamp !== undefined) return finalize(pass, kind, sources);
  if (!wantsToRun(guest, sources)) return unplaced(pass, done);
  const blocked = rolledBack(sources) ?? missingInventory(guest, sources);
  if (blocked !== undefined) return unplaced(pass, blocked);

  const demand = demandOf(guest);
  const broken = brokenReference(demand, nameOf(guest).namespace, {
    pool: (name) => sources.pools.get(name),
    image: (name) => sources.images.get(name),
  });
  if (broken !== undefined) return unplaced(pass, waiting(broken.reason, broken.message, 600_000));

  const bound = bind(guest, sources);
  if ('reason' in bound) return unplaced(pass, waiting(bound.reason, bound.message, SNAPSHOT_RECHECK_MS));
  const { otherwise = bound.guest } = bound;
  const first = chooseHost(bound.guest, sources);
  const choice = 'reason' in first && otherwise !== bound.guest ? chooseHost(otherwise, sources) : first;
  if ('reason' in choice) {
    sources.line.join(guestKey(guest), sources.scheduler.want(otherwise));
    return unplaced(pass, waiting(choice.reason, choice.message, RECHECK_MS));
  }
  return claim(pass, choice.host, 1, sources);
}

/** So many hosts are asked about when the best is refused. */
const MOST_TRIED = 8;

function chooseHost(guest: Guest, { scheduler, refusal }: PlacementSources): Choice {
  const choice = scheduler.choose(guest);
  const refused = 'reason' in choice ? undefined : refusal?.(guest, choice.host);
  if (refused === undefined) return choice;
  const others = scheduler
    .judge(guest)
    .flatMap((verdict) => (verdict.fits ? [verdict] : []))
    .sort((a, b) => (isBetter(a, b) ? -1 : 1))
    .slice(1, MOST_TRIED);
  const other = others.find(({ host }) => refusal?.(guest, host) === undefined);
  return (
    other ?? {
      reason: 'HostFailuresNotTolerated',
      message: `${refused}. Add room or hosts, or lower spec.hostFailuresToTolerate of the group`,
    }
  );
}

/** A Snapshot that becomes ready wakes no guest. */
const SNAPSHOT_RECHECK_MS = 5_000;

type Bound = { guest: Guest; otherwise?: Guest };

/**
 * A guest that is to be made from snapshots can go nowhere but to where they lie. From backups it goes there if it can, and `otherwise` to another host,
 * if they can be brought from there.
 */
function bind(
  guest: Guest,
  { snapshots, backups, pools, hosts }: PlacementSources,
): Bound | { reason: string; message: string } {
  const isMade = guest.metadata.annotations?.[STARTED_ANNOTATION] !== undefined;
  const { namespace } = nameOf(guest);
  const found = isMade
    ? { host: undefined, isFirm: false, pools: [] }
    : whereaboutsOf(demandOf(guest), {
        snapshot: (name) => snapshots.get(`${namespace}/${name}`),
        backup: (name) => backups.get(`${namespace}/${name}`),
        isShared: (name) => pools.get(name)?.spec.shared === true,
      });
  if ('reason' in found) return found;
  const { host } = found;
  const free = needingPools(guest, found.pools);
  if (host === undefined) return { guest: free };
  const canBring = !found.isFirm && isReachable(hosts.get(host));
  const asked = guest.spec.placement?.host;
  if (asked !== undefined && asked !== host)
    return canBring
      ? { guest: free }
      : {
          reason: 'SnapshotElsewhere',
          message: `what it is made from lies on ${host}, and it asks for ${asked}`,
        };
  const placement = { ...guest.spec.placement, host };
  const bound = { ...guest, spec: { ...guest.spec, placement } } as Guest;
  return { guest: needingPools(bound, found.pools), ...(canBring ? { otherwise: free } : {}) };
}

/** Others can have archives from it. */
function isReachable(host: Host | undefined): boolean {
  return host?.status?.state === 'Online' && host.status.peers !== undefined;
}

const NOWHERE: Found = { at: 'nowhere' };

/** A host that knows the name may know it of another cluster: the uuid tells. */
function search(guest: Guest, { hosts, cluster }: Pick<PlacementSources, 'hosts' | 'cluster'>): Found {
  const named = hosts.byIndex('guest', guestKey(guest));
  return named.length === 0 ? NOWHERE : findGuest(guestUuid(cluster().id, nameOf(guest)), named);
}

/**
 * A host remembers a later placement than the API holds: the API was restored from an older copy. The guest is claimed again where it is,
 * with an epoch above all that were seen.
 */
export function isBehind(guest: Guest, sources: Pick<PlacementSources, 'hosts' | 'cluster'>): boolean {
  const found = search(guest, sources);
  return found.at === 'host' && found.epoch - 1 > (guest.status?.placement?.epoch ?? 0);
}

/** The ledger counts the claim at once; the committer's compare-and-swap decides whether it stands. */
function claim<T extends Guest>(
  pass: Pass<T>,
  host: string,
  epoch: number,
  { ledger }: PlacementSources,
): PassResult<T> {
  ledger.assume(guestKey(pass.object), pass.object, host);
  pass.event('Normal', 'Scheduled', `placed on ${host}`);
  return { outcome: done, status: placedStatus(pass.object, { host, epoch, now: pass.now }) as T['status'] };
}

function unplaced<T extends Guest>(pass: Pass<T>, outcome: Outcome): PassResult<T> {
  const status: GuestStatus = unplacedStatus(pass.object, outcome, pass.now);
  return { outcome, status: status as T['status'] };
}

/** Nobody has anything of this guest: its finalizer may go. */
async function finalize<T extends Guest>(
  pass: Pass<T>,
  kind: KindRef<T>,
  sources: PlacementSources,
): Promise<PassResult<T>> {
  const { metadata } = pass.object;
  if (!metadata.finalizers?.includes(GUEST_FINALIZER)) return { outcome: done };
  const silent = withoutInventory(sources.hosts.list(), sources.cluster().incarnation);
  if (silent.length > 0) {
    return unplaced(pass, waiting('DeletionBlocked', `waiting for the inventory of ${silent.join(', ')}`));
  }
  const finalizers = metadata.finalizers.filter((name) => name !== GUEST_FINALIZER);
  const patch = { metadata: { resourceVersion: metadata.resourceVersion, finalizers } };
  await pass.client.mergePatch(kind, metadata, patch, { signal: pass.signal });
  return { outcome: done };
}

function wantsToRun(guest: Guest, { operations }: PlacementSources): boolean {
  const strategy = strategyOf(guest.spec);
  if (strategy === 'Halted') return false;
  if (strategy !== 'Manual') return true;
  return operations
    .byIndex('guest', guestKey(guest))
    .some((operation) => operation.spec.action === 'Start' && operation.status?.completedAt === undefined);
}

/** A host has seen a later control plane than this one: the API was restored from an older copy. */
function rolledBack({ incarnations, cluster }: PlacementSources): Outcome | undefined {
  const ahead = incarnations.ahead(cluster().incarnation);
  if (ahead.length === 0) return undefined;
  return waiting(
    'ControlPlaneRolledBack',
    `${ahead.join(', ')} has seen a later control plane: waiting until every host has reported`,
  );
}

/** A guest that was started before may still be somewhere: every host must have said what it has. */
function missingInventory(guest: Guest, { hosts, cluster }: PlacementSources): Outcome | undefined {
  if (guest.metadata.annotations?.[STARTED_ANNOTATION] === undefined) return undefined;
  const silent = withoutInventory(hosts.list(), cluster().incarnation);
  if (silent.length === 0) return undefined;
  return waiting(
    'WaitingForInventory',
    `started before; waiting until ${silent.join(', ')} has reported what it runs`,
  );
}

/** Key of a guest in indexes and in the ledger, over both kinds. */
export function guestKey(guest: Guest | Stored<Guest>): string {
  const { kind, namespace, name } = nameOf(guest);
  return `${kind}/${namespace}/${name}`;
}
