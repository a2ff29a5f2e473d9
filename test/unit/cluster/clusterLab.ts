/** All cluster controllers over an API in memory, as one leader runs them; hosts report by the story's word and renew their Leases. */
import { hostLeaseName, SYSTEM_NAMESPACE } from '../../../src/api/cluster.ts';
import { Lease } from '../../../src/api/core.ts';
import { Container } from '../../../src/api/kinds/container.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { StoragePool } from '../../../src/api/kinds/storagePool.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { KindRef, KubeObject, Stored } from '../../../src/api/meta.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { MemoryRequest } from '../../../src/client/memory.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { addClusterControllers } from '../../../src/cluster/cluster.ts';
import type { FenceDriver } from '../../../src/drivers/fence/contract.ts';
import { createSimulatedFence, NO_POWER } from '../../../src/drivers/fence/simulated/driver.ts';
import { fenceProbe } from '../../../src/main/fencing.ts';
import { createManager } from '../../../src/runtime/engine.ts';
import { createFakeClock, settle } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';

const RENEW_EVERY_MS = 5_000;

type LabOptions = {
  intercept?: (request: MemoryRequest) => void;
  /** How fence devices answer; none does when absent. */
  fence?: (clock: Clock) => FenceDriver;
  /** The host whose machine runs the API server. */
  embeddedOn?: string;
};

export function createClusterLab(options: LabOptions = {}) {
  const clock = createFakeClock();
  const driver = options.fence?.(clock) ?? createSimulatedFence({ world: { clock }, power: NO_POWER });
  const fence = fenceProbe(driver);
  const api = createMemoryClient({ clock, historyLimit: 100_000 });
  const silent = new Set<string>();
  let leading: { stop: AbortController; ended: Promise<void> } | undefined;

  const renew = () => {
    for (const { metadata } of api.state.list(Host)) {
      if (silent.has(metadata.name)) continue;
      const lease = { name: hostLeaseName(metadata.name), namespace: SYSTEM_NAMESPACE };
      const renewTime = new Date(clock.now()).toISOString();
      api.seed(Lease, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: lease,
        spec: { holderIdentity: metadata.name, renewTime },
      });
    }
  };
  const advance = async (ms: number) => {
    for (let left = ms; left > 0; left -= RENEW_EVERY_MS) {
      renew();
      await clock.advance(Math.min(left, RENEW_EVERY_MS));
    }
  };
  const resign = async () => {
    leading?.stop.abort(new Error('another leads'));
    await leading?.ended;
    leading = undefined;
    await settle();
  };

  return {
    clock,
    api,
    silent,
    advance,
    resign,
    /** A manager becomes the leader; one that led before has resigned. `restored`: the API was restored from an older copy, in this incarnation. */
    lead: async (restored?: number) => {
      await resign();
      const client = createMemoryClient({ clock, server: api, ...options });
      const world = { clock, random: seededRandom(), log: silentLog };
      const manager = createManager({ client, world, component: 'vireo-manager', host: 'm1' });
      const cluster = () => ({
        id: 'cluster',
        incarnation: (restored ?? 0) + 1,
        ...(restored === undefined ? {} : { restored }),
      });
      const { embeddedOn } = options;
      const place = embeddedOn === undefined ? {} : { embeddedOn };
      addClusterControllers({ manager, clock, cluster, raise: async () => {}, fence, ...place });
      const stop = new AbortController();
      const ended = manager.run(stop.signal);
      leading = { stop, ended };
      await advance(1_000);
    },
    /** Hosts as their agents report them, with the pool `local` and the image `busybox`. */
    addHosts: (...hosts: Stored<Host>[]) => {
      for (const one of hosts) api.seed(Host, reporting(one));
      api.seed(StoragePool, {
        apiVersion: 'vireo.dev/v1alpha1',
        kind: 'StoragePool',
        metadata: { name: 'local' },
        spec: { type: 'Directory', directory: {} },
      } as StoragePool);
      renew();
    },
    /** Changes the spec of a Host as a person would. */
    editHost: async (name: string, spec: unknown) => {
      await api.mergePatch(Host, { name }, { spec });
      await advance(1_000);
    },
    get: <T extends KubeObject>(kind: KindRef<T>, key: string) =>
      api.state.get(kind, key) as Stored<T> | undefined,
    host: (name: string) => api.state.get(Host, name) as Stored<Host> | undefined,
    machine: (name: string) =>
      api.state.get(VirtualMachine, `default/${name}`) as Stored<VirtualMachine> | undefined,
    container: (name: string) => api.state.get(Container, `default/${name}`) as Stored<Container> | undefined,
  };
}

/** Its agent is well: without that word the manager calls no host ready. */
function reporting(one: Stored<Host>): Stored<Host> {
  const ready = one.status?.conditions?.map((condition) =>
    condition.type === 'Ready' ? { ...condition, type: 'AgentReady' } : condition,
  );
  return { ...one, status: { ...one.status, conditions: ready ?? [] } };
}
