/** Says of each host, before it is lost, what would prove that it is dead: its condition FencingReady, while high availability is on. */
import { CLUSTER_POLICY, type ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { done } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import { findCondition, removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Takeable } from '../recovery/takeable.ts';
import { hostsOfDevice } from './devices.ts';
import { levelsOf } from './levels.ts';
import { isUntrusted } from './trust.ts';

/** Of Hosts; there while high availability is on. */
export const FENCING_READY = 'FencingReady';

export type ReadinessSources = {
  hosts: Informer<Host>;
  /** Has the index `host`. */
  devices: Informer<FenceDevice>;
  policies: Informer<ClusterPolicy>;
  /** What taking its storage from the host would prove. */
  takeable(host: Stored<Host>, policy: ClusterPolicy): Takeable | undefined;
  /** Reasons for which that may have changed. */
  storage: readonly Trigger[];
};

export function fencingReadinessController({
  hosts,
  devices,
  policies,
  takeable,
  storage,
}: ReadinessSources): Controller<Host> {
  return {
    name: 'fencing-readiness',
    kind: Host,
    informer: hosts,
    writes: [`status.conditions.${FENCING_READY}`],
    triggers: [
      trigger(devices, ({ before, after }) => {
        const named = [before, after].flatMap((device) =>
          device === undefined ? [] : hostsOfDevice(device),
        );
        return [...new Set(named)];
      }),
      trigger(policies, () => hosts.list().map(({ metadata }) => metadata.name)),
      ...storage,
    ],
    reconcile: async ({ object: host, now }) => {
      const { generation, name } = host.metadata;
      const { conditions = [] } = host.status ?? {};
      const policy = policies.get(CLUSTER_POLICY);
      const judged = judgeFencing(host, {
        policy,
        named: devices.byIndex('host', name),
        device: (one) => devices.get(one),
        takeable: (by) => takeable(host, by),
      });
      if (judged === undefined && findCondition(conditions, FENCING_READY) === undefined)
        return { outcome: done };
      const next =
        judged === undefined
          ? removeCondition(conditions, FENCING_READY)
          : setCondition(conditions, { type: FENCING_READY, ...judged }, { now, generation });
      return { outcome: done, status: { ...host.status, conditions: next } };
    },
  };
}

type Judged = Pick<Condition, 'status' | 'reason' | 'message'>;

/** What would prove that the host is dead; undefined while high availability is off. Pure. */
export function judgeFencing(
  host: Stored<Host>,
  facts: {
    policy: ClusterPolicy | undefined;
    named: readonly Stored<FenceDevice>[];
    device(name: string): Stored<FenceDevice> | undefined;
    /** Asked only when nothing better proves it. */
    takeable(policy: ClusterPolicy): Takeable | undefined;
  },
): Judged | undefined {
  const { policy } = facts;
  if (policy === undefined) return undefined;
  const { name } = host.metadata;
  const levels = levelsOf(host, facts.named);
  const problems = levels.map((level) =>
    level.flatMap((device) => problemOf(device, name, facts.device(device))),
  );
  if (problems.some((level) => level.length === 0))
    return { status: 'True', reason: 'DeviceReady', message: '' };
  const broken = problems.flat();
  const { watchdog } = host.status?.keeper ?? {};
  const isBelieved = watchdog !== 'None' || policy.spec.selfFenceWithoutWatchdog === 'Allow';
  const isPausable = mayBePaused(host, policy);
  const say = (status: Judged['status'], reason: string, ...parts: string[]): Judged => ({
    ...{ status, reason },
    message: [...parts, ...broken].join('; '),
  });
  if (watchdog !== undefined && isBelieved && !isPausable)
    return say('True', 'SelfFencing', 'its guests wait until it has certainly killed them');
  // A host without a keeper has no guests that anybody answers for.
  const taken = watchdog === undefined ? undefined : facts.takeable(policy);
  if (taken !== undefined && 'pools' in taken)
    return say(
      'True',
      'StorageRevocation',
      `its guests wait until ${taken.pools.join(', ')} has been taken from it, and may execute there still, without their disks: restart it then`,
    );
  const lacks = taken === undefined ? [] : [taken.lacks];
  if (watchdog !== undefined && isBelieved) {
    const remedy = `${name} is itself a virtual machine and may be paused while its guests run elsewhere: add a FenceDevice that switches it off`;
    return say('False', 'PausableHost', remedy, ...lacks);
  }
  const remedy = `when ${name} is lost nothing proves it and its guests wait for a person: add a FenceDevice that cuts its power, or a watchdog`;
  return say('False', 'NothingProves', remedy, ...lacks);
}

/** By the flag that keepers go by too (hypervisor, CPUID leaf 1). */
function mayBePaused({ status }: Host, { spec }: ClusterPolicy): boolean {
  return (
    status?.cpu?.flags?.includes('hypervisor') === true &&
    spec.selfFenceOfPausableHosts !== 'GuestsMayRunTwice'
  );
}

function problemOf(name: string, host: string, device: Stored<FenceDevice> | undefined): string[] {
  if (device === undefined) return [`there is no FenceDevice ${name}`];
  if (!hostsOfDevice(device).includes(host)) return [`FenceDevice ${name} does not name ${host}`];
  if (isUntrusted(device)) return [`FenceDevice ${name} has called a host off that was not`];
  if (device.status?.reach === 'Fabric') return [`FenceDevice ${name} cuts only the network`];
  const row = device.status?.hosts?.find((one) => one.name === host);
  if (row === undefined) return [`FenceDevice ${name} has not answered yet`];
  return row.reason === undefined ? [] : [`FenceDevice ${name}: ${row.reason}`];
}
