/** Wires the cluster controllers of the manager role: informers with their indexes, triggers, and which controller sees what. */
import { SYSTEM_NAMESPACE } from '../api/cluster.ts';
import { Lease } from '../api/core.ts';
import { isProtected } from '../api/ha.ts';
import { ClusterPolicy } from '../api/kinds/clusterPolicy.ts';
import { Container } from '../api/kinds/container.ts';
import { HAGroup } from '../api/kinds/haGroup.ts';
import { Host } from '../api/kinds/host.ts';
import { Image } from '../api/kinds/image.ts';
import { Migration } from '../api/kinds/migration.ts';
import { Operation } from '../api/kinds/operation.ts';
import { StoragePool } from '../api/kinds/storagePool.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import type { KindRef } from '../api/meta.ts';
import type { Clock } from '../base/clock.ts';
import type { Informer } from '../client/contract.ts';
import type { Manager, Trigger } from '../runtime/contract.ts';
import { atMostEvery, trigger } from '../runtime/trigger.ts';
import type { FenceProbe, FenceSwitch } from './fencing/probe.ts';
import { demandOf, type Guest } from './guests.ts';
import { hostController } from './hosts/hosts.ts';
import { imageController } from './images/images.ts';
import type { ClusterIdentity } from './incarnation/incarnation.ts';
import { recoveryController } from './incarnation/recovery.ts';
import { createSeenIncarnations } from './incarnation/seen.ts';
import { addJoining } from './joining/joining.ts';
import { addKeeping, artefacts } from './keeping.ts';
import { maintenanceController } from './maintenance/maintenance.ts';
import { mayBeEmptied } from './maintenance/orders.ts';
import {
  maintainedByGuests,
  maintainedByMoves,
  maintainedByOffers,
  maintenanceIndexes,
} from './maintenance/triggers.ts';
import { createBoard } from './migration/board.ts';
import {
  migrationController,
  migrationIndexes,
  migrationsOfGuests,
  migrationTriggers,
} from './migration/migrations.ts';
import { operationController, operationsOfHosts } from './operations/operations.ts';
import { withoutInventory } from './placement/inventory.ts';
import { createLedger } from './placement/ledger.ts';
import { createLine } from './placement/line.ts';
import { createMembership } from './placement/membership.ts';
import { NO_OVERCOMMIT } from './placement/offer.ts';
import { guestKey, isBehind, type PlacementSources, placementController } from './placement/placement.ts';
import { createScheduler } from './placement/scheduler.ts';
import { guestsToPlace } from './placement/triggers.ts';
import { poolController } from './pools/pools.ts';
import { createAdmission } from './recovery/admission.ts';
import { addRecovery } from './recovery/wiring.ts';

/** Every guest that starts changes what its pool has promised: the sums of a burst are written together. */
const SUM_POOLS_EVERY_MS = 1_000;

export type ClusterOptions = {
  manager: Manager;
  clock: Clock;
  cluster(): ClusterIdentity;
  /** Raises the incarnation above one that a host has seen. */
  raise(atLeast: number): Promise<void>;
  /** The host whose machine runs the embedded API server. */
  embeddedOn?: string;
  /** How fence devices are reached from where the manager runs. */
  fence: FenceProbe & FenceSwitch;
  /** Guests that may move at the same time; 5 when absent. */
  parallelMigrations?: number;
};

/** Adds placement, hosts, pools, images, operations, migrations, snapshots and fence devices to a manager that is about to run as leader. */
export function addClusterControllers(options: ClusterOptions): void {
  const { manager, clock, cluster, raise, fence, parallelMigrations, embeddedOn } = options;
  const { informers } = manager;
  const machines = informers.informer(VirtualMachine, { indexes: guestIndexes });
  const containers = informers.informer(Container, { indexes: guestIndexes });
  const hosts = informers.informer(Host, {
    indexes: {
      // By name: a uuid is a hash, and nearly all guests that are looked for are nowhere.
      guest: (host) =>
        (host.status?.guests ?? []).map(({ kind, namespace, name }) => `${kind}/${namespace}/${name}`),
      pool: (host) => (host.status?.pools ?? []).map((pool) => pool.name),
      image: (host) => (host.status?.images ?? []).map((image) => image.name),
      maintenance: (host) => (mayBeEmptied(host) ? ['on'] : []),
    },
  });
  const pools = informers.informer(StoragePool);
  const images = informers.informer(Image, { indexes: { pool: (image) => [image.spec.pool] } });
  const operations = informers.informer(Operation, {
    indexes: {
      guest: ({ metadata, spec }) => [
        `${spec.guest.kind}/${metadata.namespace ?? 'default'}/${spec.guest.name}`,
      ],
    },
  });
  const { snapshots, backups } = artefacts(informers);
  const leases = informers.informer(Lease, { namespace: SYSTEM_NAMESPACE });

  const groups = informers.informer(HAGroup);
  const membership = createMembership();
  const { groupOf } = membership;
  const ledger = createLedger(groupOf);
  const scheduler = createScheduler(ledger, { groupOf });
  groups.onChange((change) => {
    const before = membership.version();
    membership.observe(change);
    if (membership.version() !== before) ledger.regroup();
  });
  const line = createLine(scheduler);
  hosts.onChange(scheduler.observe);
  const policies = informers.informer(ClusterPolicy);
  policies.onChange(({ after }) => scheduler.overcommit(after?.spec.memoryOvercommit ?? NO_OVERCOMMIT));
  const incarnations = createSeenIncarnations();
  hosts.onChange(incarnations.observe);
  const migrations = informers.informer(Migration, { indexes: migrationIndexes });
  const guestOf = (key: string) => {
    const [kind, ...name] = key.split('/');
    return kind === 'Container' ? containers.get(name.join('/')) : machines.get(name.join('/'));
  };
  const board = createBoard(ledger, { guest: guestOf, migration: (key) => migrations.get(key) });
  follow(machines, 'VirtualMachine');
  follow(containers, 'Container');
  migrations.onChange(board.observe);

  const using = (index: 'pool' | 'image') => (name: string) => [
    ...machines.byIndex(index, name).map(guestKey),
    ...containers.byIndex(index, name).map(guestKey),
  ];
  const decisions = { ledger, scheduler, incarnations, line, cluster };
  const declared = { groups, pools, images, snapshots, backups, operations };
  const refusal = createAdmission({
    ...{ guest: guestOf, policy: () => policies.list()[0], membership },
    ...{ hosts: () => hosts.list(), groups: () => groups.list(), pool: (name) => pools.get(name) },
    guests: () => [...machines.byIndex('ha', 'yes'), ...containers.byIndex('ha', 'yes')],
    scheduler,
    allocatedBytes: (host) => ledger.allocated(host).memoryBytes,
  });
  const sources: PlacementSources = { hosts, ...declared, ...decisions, refusal };
  addPlacement(VirtualMachine, machines);
  addPlacement(Container, containers);
  manager.add(recoveryController({ hosts, incarnations, cluster, raise }));
  manager.add(hostController({ hosts, leases, ledger, clock }));
  manager.add(
    poolController(
      { client: manager.client, pools, hosts, images, guestsUsing: using('pool') },
      poolTriggers(),
    ),
  );
  manager.add(imageController({ images, pools, hosts, guestsUsing: using('image') }, imageTriggers()));
  manager.add(
    operationController(
      {
        ...{ operations, hosts },
        guest: (kind, key) => (kind === 'VirtualMachine' ? machines.get(key) : containers.get(key)),
      },
      [
        operationsOfGuests(machines, operations),
        operationsOfGuests(containers, operations),
        operationsOfHosts({ hosts, operations }),
      ],
    ),
  );
  const moving = {
    ...{ migrations, hosts, guest: guestOf, scheduler, board },
    haPaused: () => policies.list()[0]?.spec.haPaused,
    ...(parallelMigrations === undefined ? {} : { inCluster: parallelMigrations }),
  };
  addJoining(manager, clock);
  manager.add(
    migrationController(moving, [
      migrationsOfGuests(machines, moving),
      migrationsOfGuests(containers, moving),
      ...migrationTriggers(moving),
    ]),
  );

  addKeeping(manager, {
    ...{ machines, containers, hosts, snapshots, backups },
    guest: guestOf,
    pool: (name) => pools.get(name),
    clusterId: () => cluster().id,
  });

  addRecovery(manager, {
    ...{ clock, fence, hosts, pools, machines, containers, scheduler, ledger, membership, migrations },
    ...(embeddedOn === undefined ? {} : { embeddedOn }),
    guest: guestOf,
    ahead: () => incarnations.ahead(cluster().incarnation),
    unreported: () => {
      const { restored } = cluster();
      return restored === undefined ? [] : withoutInventory(hosts.list(), restored);
    },
    isBehind: (guest) => isBehind(guest, { hosts, cluster }),
  });

  const guestsBy = (index: string) => (host: string) => [
    ...machines.byIndex(index, host),
    ...containers.byIndex(index, host),
  ];
  manager.add(
    maintenanceController(
      {
        hosts,
        guestsOn: guestsBy('host'),
        guestsOf: guestsBy('maintained'),
        migrationsOf: (guest) => migrations.byIndex('guest', guest),
        guest: guestOf,
        scheduler,
        shutdownPolicy: () => policies.list()[0]?.spec.shutdownPolicy,
      },
      [
        maintainedByGuests(machines, hosts),
        maintainedByGuests(containers, hosts),
        maintainedByMoves(migrations, hosts, guestOf),
        maintainedByOffers(hosts, scheduler),
      ],
    ),
  );

  function follow<T extends Guest>(guests: Informer<T>, kind: string): void {
    guests.onChange((change) => {
      const id = `${kind}/${change.key}`;
      ledger.observe(id, change);
      board.observeGuest(id);
      if (change.after === undefined) line.leave(id);
    });
  }

  function addPlacement<T extends Guest>(kind: KindRef<T>, guests: Informer<T>): void {
    manager.add(placementController(kind, guests, sources, guestsToPlace(kind, guests, sources)));
  }

  function poolTriggers(): Trigger[] {
    return [
      atMostEvery(
        SUM_POOLS_EVERY_MS,
        clock,
        trigger(hosts, ({ before, after }) => named(before?.status?.pools, after?.status?.pools)),
      ),
      trigger(machines, ({ before, after }) => releasedBy(before, after, (guest) => demandOf(guest).pools)),
      trigger(containers, ({ before, after }) => releasedBy(before, after, (guest) => demandOf(guest).pools)),
      trigger(images, ({ before, after }) =>
        after === undefined && before !== undefined ? [before.spec.pool] : [],
      ),
    ];
  }

  function imageTriggers(): Trigger[] {
    return [
      trigger(hosts, ({ before, after }) => named(before?.status?.images, after?.status?.images)),
      trigger(machines, ({ before, after }) => releasedBy(before, after, (guest) => demandOf(guest).images)),
      trigger(containers, ({ before, after }) =>
        releasedBy(before, after, (guest) => demandOf(guest).images),
      ),
      trigger(pools, ({ before, after }) =>
        before === undefined || after === undefined
          ? images.byIndex('pool', (after ?? before)?.metadata.name ?? '').map((image) => image.metadata.name)
          : [],
      ),
    ];
  }
}

const guestIndexes = {
  namespace: (guest: Guest) => [guest.metadata.namespace ?? 'default'],
  unplaced: (guest: Guest) => (guest.status?.placement === undefined ? ['yes'] : []),
  pool: (guest: Guest) => demandOf(guest).pools,
  image: (guest: Guest) => demandOf(guest).images,
  ha: ({ spec, status }: Guest) => (isProtected(spec.ha) || status?.ha !== undefined ? ['yes'] : []),
  ...maintenanceIndexes,
};

/** Names in the two lists whose entries differ: only those objects have news. */
function named(
  before: readonly { name: string }[] | undefined,
  after: readonly { name: string }[] | undefined,
): string[] {
  const old = new Map((before ?? []).map((entry) => [entry.name, JSON.stringify(entry)]));
  const changed = (after ?? [])
    .filter((entry) => old.get(entry.name) !== JSON.stringify(entry))
    .map(({ name }) => name);
  const present = new Set((after ?? []).map(({ name }) => name));
  return [...changed, ...[...old.keys()].filter((name) => !present.has(name))];
}

/** What a guest named until it went away. */
function releasedBy<T extends Guest>(
  before: T | undefined,
  after: T | undefined,
  pick: (guest: T) => readonly string[],
): string[] {
  return before !== undefined && after === undefined ? [...pick(before)] : [];
}

function operationsOfGuests<T extends Guest>(guests: Informer<T>, operations: Informer<Operation>): Trigger {
  return trigger(guests, ({ before, after }) => {
    if (
      before !== undefined &&
      after !== undefined &&
      before.status?.placement?.host === after.status?.placement?.host
    )
      return [];
    const guest = after ?? before;
    if (guest === undefined) return [];
    return operations
      .byIndex('guest', guestKey(guest))
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  });
}
