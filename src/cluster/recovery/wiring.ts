/** Adds fencing and high availability to the controllers of a leader, with the informers they read. */
import { CLUSTER_POLICY, ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import { Container } from '../../api/kinds/container.ts';
import { FenceAction } from '../../api/kinds/fenceAction.ts';
import { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Migration } from '../../api/kinds/migration.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import type { Clock } from '../../base/clock.ts';
import type { Informer } from '../../client/contract.ts';
import type { Manager } from '../../runtime/contract.ts';
import { availabilityController } from '../availability/availability.ts';
import { fenceActionController } from '../fencing/actions.ts';
import { devicesOfAction, fenceDeviceController, hostsOfDevice } from '../fencing/devices.ts';
import type { FenceProbe, FenceSwitch } from '../fencing/probe.ts';
import { fencingReadinessController } from '../fencing/readiness.ts';
import { demandOf, type Guest, type StoredGuest } from '../guests.ts';
import { companionsOf } from '../migration/set.ts';
import { destinationsOf } from '../migration/target.ts';
import type { Ledger } from '../placement/ledger.ts';
import type { Membership } from '../placement/membership.ts';
import type { Scheduler } from '../placement/scheduler.ts';
import { groupNameController } from './groupNames.ts';
import { groupController } from './groups.ts';
import { guestId, isToRun } from './guestViews.ts';
import { protectedController } from './protected.ts';
import { type RecoverySources, recoveryRounds } from './recovery.ts';
import { takeableFrom, takingTriggers } from './takeable.ts';

export type RecoveryWiring = {
  clock: Clock;
  /** The host whose machine runs the embedded API server. */
  embeddedOn?: string;
  fence: FenceProbe & FenceSwitch;
  /** Has the index `pool`. */
  hosts: Informer<Host>;
  pools: Informer<StoragePool>;
  /** Both have the indexes `ha`, `host` and `pool`. */
  machines: Informer<VirtualMachine>;
  containers: Informer<Container>;
  scheduler: Pick<Scheduler, 'judge' | 'takes' | 'want' | 'breach' | 'bound'>;
  membership: Membership;
  /** Has the index `guest`. */
  migrations: Informer<Migration>;
  ledger: Pick<Ledger, 'allocated' | 'observe'>;
  /** By `KIND/NAMESPACE/NAME`. */
  guest(key: string): StoredGuest | undefined;
} & Pick<RecoverySources, 'ahead' | 'unreported' | 'isBehind'>;

export function addRecovery(manager: Manager, wiring: RecoveryWiring): void {
  const { informers } = manager;
  const { clock, fence, hosts, pools, machines, containers, scheduler, ledger, membership, embeddedOn } =
    wiring;
  const devices = informers.informer(FenceDevice, { indexes: { host: hostsOfDevice } });
  const actions = informers.informer(FenceAction, {
    indexes: { host: ({ spec }) => [spec.host], device: devicesOfAction },
  });
  const groups = informers.informer(HAGroup);
  const policies = informers.informer(ClusterPolicy);
  manager.add(fenceDeviceController({ devices, hosts, actions, fence }));
  manager.add(
    fencingReadinessController({
      ...{ hosts, devices, policies },
      takeable: (host, policy) =>
        takeableFrom(host, {
          policy,
          guests: [
            ...machines.byIndex('host', host.metadata.name),
            ...containers.byIndex('host', host.metadata.name),
          ],
          pool: (name) => pools.get(name),
          hostsWith: (pool) => hosts.byIndex('pool', pool),
        }),
      storage: takingTriggers(wiring, () => policies.get(CLUSTER_POLICY)),
    }),
  );
  const protectedGuests = () => [...machines.byIndex('ha', 'yes'), ...containers.byIndex('ha', 'yes')];
  const sets = { scheduler, guest: wiring.guest, host: (name: string) => hosts.get(name) };
  const companions = (guest: StoredGuest) => companionsOf(guest, { by: 'Availability', type: 'Auto' }, sets);
  const allocatedBytes = (host: string) => ledger.allocated(host).memoryBytes;
  manager.add(
    groupController({
      ...{ groups, hosts, policies, clock, allocatedBytes, membership, guests: protectedGuests },
      guestInformers: [machines as Informer<Guest>, containers as Informer<Guest>],
      pool: (name) => pools.get(name),
      scheduler,
    }),
  );
  manager.add(groupNameController(VirtualMachine, machines, groups));
  manager.add(groupNameController(Container, containers, groups));
  manager.add(protectedController(VirtualMachine, machines, { hosts, pools, policies, clock }));
  manager.add(protectedController(Container, containers, { hosts, pools, policies, clock }));
  manager.add(availabilityController(VirtualMachine, machines, isToRun));
  manager.add(availabilityController(Container, containers, isToRun));
  manager.add(fenceActionController({ actions, devices, hosts, fence, clock }));
  manager.add(
    recoveryRounds({
      ...{ policies, clock, ahead: wiring.ahead, unreported: wiring.unreported, isBehind: wiring.isBehind },
      ...(embeddedOn === undefined ? {} : { embeddedOn }),
      hosts: () => hosts.list(),
      guests: protectedGuests,
      groups: () => groups.list(),
      actions: () => actions.list(),
      membership,
      migrationsOf: (guest) => wiring.migrations.byIndex('guest', guest),
      companions: (guest) => companions(guest).map((one) => one.guest),
      bound: (guest) => scheduler.bound(guest).map(({ key }) => key),
      destinations: (guest, moves) => {
        const source = hosts.get(guest.status?.placement?.host ?? '');
        if (source === undefined) return [];
        return destinationsOf({ guest, source, moves, scheduler, companions: companions(guest) });
      },
      devicesOf: (host) => devices.byIndex('host', host),
      pool: (name) => pools.get(name),
      judge: (guest) => scheduler.judge(guest),
      breach: (guest) => scheduler.breach(guest),
      takes: (host, guest) => scheduler.takes(host, scheduler.want(guest)),
      book: (guest, host) => {
        const { placement } = guest.status ?? {};
        if (placement === undefined) return;
        const status = { ...guest.status, placement: { ...placement, host } };
        const key = guestId(guest);
        ledger.observe(key, { key, after: { ...guest, status } as StoredGuest });
      },
      allocatedBytes,
      demand: ({ kind, namespace, name }) => {
        const guest = wiring.guest(`${kind}/${namespace}/${name}`);
        return guest === undefined ? undefined : demandOf(guest);
      },
      current: (object) => {
        const { namespace, name } = object.metadata;
        return object.kind === 'Host' ? hosts.get(name) : wiring.guest(`${object.kind}/${namespace}/${name}`);
      },
    }),
  );
}
