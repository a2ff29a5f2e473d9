/**
 * The manager's lab with two pools that can be taken from a host, `red` and `blue`, and on each host the controllers of a real agent that look after
 * them. Of its agent only these run here; it dies and starts again with its host.
 */

import { type ControlPlane, openControlPlane } from '../../../../src/agent/cluster/controlPlane.ts';
import {
  revocationController,
  revocationInformer,
  takenIn,
} from '../../../../src/agent/fencing/controller.ts';
import { createUpkeep } from '../../../../src/agent/fencing/upkeep.ts';
import { createJobs } from '../../../../src/agent/jobs/beside.ts';
import { poolController } from '../../../../src/agent/pools/controller.ts';
import { createPoolTable, type PoolTable } from '../../../../src/agent/pools/table.ts';
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { ConfigMap } from '../../../../src/api/core.ts';
import type { ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { FenceAction } from '../../../../src/api/kinds/fenceAction.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { StoragePool } from '../../../../src/api/kinds/storagePool.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { ApiError } from '../../../../src/client/contract.ts';
import { createMemoryClient } from '../../../../src/client/memory.ts';
import type { HostBoot, Revocations } from '../../../../src/drivers/storage/revocations.ts';
import { createSimulatedPool } from '../../../../src/drivers/storage/simulated/pool.ts';
import { createManager } from '../../../../src/runtime/engine.ts';
import { seededRandom } from '../../../world/seededRandom.ts';
import { type Crasher, createCrasher } from '../../agent/crasher.ts';
import { createMemoryFiles, type Disk } from '../../agent/memoryFiles.ts';
import { createHaLab } from './haLab.ts';
import type { Machine } from './haMachines.ts';

const POOLS = ['red', 'blue'];
const FIRST = { id: 'cluster', incarnation: '1' };

type Agent = {
  boots: number;
  stop: AbortController;
  pools: PoolTable;
  crasher: Crasher;
  bootID: string;
  controlPlane: ControlPlane;
};
type Copy = {
  hosts: readonly Stored<Host>[];
  guests: readonly Stored<VirtualMachine>[];
  actions: readonly Stored<FenceAction>[];
};

export type RevocationLab = Awaited<ReturnType<typeof createRevocationLab>>;

export async function createRevocationLab(policy: ClusterPolicySpec = {}) {
  const lab = await createHaLab();
  const { api, clock } = lab;
  const disk: Disk = new Map(POOLS.map((name) => [`/srv/${name}/lost+found`, '']));
  const agents = new Map<string, Agent>();
  /** Hosts whose agents do not run. */
  const asleep = new Set<string>();
  /** Pools that do not answer whoever revokes. */
  const hanging = new Set<string>();
  const crashers = new Map<string, Crasher>();
  /** So long a pool takes to answer. */
  const slow = { ms: 0 };
  /** What pools were told, and by whom. */
  const told: string[] = [];
  /** Who told a pool before it was on record that it was about to be. */
  const early: string[] = [];

  const CLUSTER = { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP };
  const proclaim = (data: Record<string, string>) =>
    api.seed(ConfigMap, {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', data },
      metadata: CLUSTER,
    } as unknown as ConfigMap);
  const data = () =>
    (api.state.get(ConfigMap, `${SYSTEM_NAMESPACE}/${CLUSTER_CONFIG_MAP}`) as ConfigMap | undefined)?.data;
  proclaim(FIRST);
  const noWorld = {
    clock,
    random: seededRandom(),
    log: silentLog,
    processes: {} as never,
    sockets: {} as never,
  };
  const openPool = (name: string, host: string) =>
    createSimulatedPool({
      world: { ...noWorld, files: createMemoryFiles(disk) },
      config: { type: 'Simulated', name, path: `/srv/${name}`, totalBytes: 1e12, sharedBy: host },
    });
  const listening = (name: string, by: string, { revoke, restore, list }: Revocations): Revocations => ({
    list,
    revoke: async (boot) => {
      const isDue = lab.ha(boot.host)?.revoked === boot.bootID;
      const isSaid = lab.actions().some(({ spec, status }) => spec.pool === name && status?.startedAt);
      if (!isDue || !isSaid) early.push(`${by}: ${name}`);
      if (hanging.has(name)) await new Promise(() => {});
      await clock.sleep(slow.ms);
      told.push(`${by}: ${name} revoke ${boot.host} ${boot.bootID}`);
      await revoke(boot);
    },
    restore: async (boot) => {
      told.push(`${by}: ${name} restore ${boot.host} ${boot.bootID}`);
      await restore(boot);
    },
  });

  async function begin(one: Machine): Promise<void> {
    const { name: host, boots } = one;
    const stop = new AbortController();
    const controlPlane = await openControlPlane(createMemoryFiles(new Map()), '/state');
    await controlPlane.accept(data());
    const crasher = crashers.get(host) ?? createCrasher();
    crashers.delete(host);
    const bootID = lab.bootOf(one);
    const pools = createPoolTable();
    agents.set(host, { boots, stop, pools, crasher, bootID, controlPlane });
    const intercept = () => {
      if (!one.isOn || one.isCut || crasher.isDead()) throw new ApiError(0, 'Away', 'the API is away');
    };
    const client = crasher.wrap('api', createMemoryClient({ clock, server: api, intercept }), ['mergePatch']);
    const files = createMemoryFiles(disk);
    const manager = createManager({ client, world: noWorld, component: 'vireo-agent', host });
    const informer = revocationInformer(manager.informers);
    const { enqueue } = manager;
    const jobs = createJobs(clock);
    manager.add(revocationController({ host, informer, pools, controlPlane, jobs, enqueue }));
    manager.add(
      poolController({
        ...{ host, pools, files, clock, client, bootID, stateDirectory: '/state', poolPaths: ['/srv'] },
        informer: manager.informers.informer(StoragePool),
        archives: () => new Set(),
        openPool: async ({ name }) => {
          const pool = await openPool(name, host);
          const { revocations } = pool;
          if (revocations === undefined || !POOLS.includes(name)) return pool;
          const counted = crasher.wrap('pool', listening(name, host, revocations), ['revoke', 'restore']);
          return { ...pool, revocations: counted };
        },
        upkeep: createUpkeep({
          ...{ host, client, controlPlane, clock },
          taken: (pool) => takenIn(informer, pool),
        }),
      }),
    );
    void manager.run(stop.signal).catch(() => {});
  }

  function end(host: string): void {
    agents.get(host)?.crasher.kill();
    agents.get(host)?.stop.abort(new Error('it ends'));
    agents.delete(host);
  }

  /** What the agent says of its pools goes into the Host. */
  function report(host: string, { pools }: Agent): void {
    const current = api.state.get(Host, host) as Stored<Host>;
    const said = (current.status?.pools ?? []).map((pool) => {
      const state = pools.get(pool.name);
      if (state?.type !== 'Open') return pool;
      const { healthy, reason } = state.facts;
      const { reason: _, ...rest } = pool;
      return { ...rest, healthy, ...(reason === undefined ? {} : { reason }) };
    });
    if (JSON.stringify(said) !== JSON.stringify(current.status?.pools))
      api.seed(Host, { ...current, status: { ...current.status, pools: said } });
  }

  const live = (): void => {
    for (const one of lab.machines.values()) {
      const agent = agents.get(one.name);
      const isDue = one.isOn && !asleep.has(one.name);
      if (agent !== undefined && (!isDue || agent.boots !== one.boots)) end(one.name);
      if (isDue && !agents.has(one.name)) void begin(one);
      if (agent !== undefined && !one.isCut && !agent.crasher.isDead()) report(one.name, agent);
    }
    clock.after(500, live);
  };

  for (const name of lab.machines.keys()) {
    const host = api.state.get(Host, name) as Stored<Host>;
    const nothing = { healthy: true, snapshot: false, clone: false, thin: true, resize: true, revoke: true };
    const pools = [...(host.status?.pools ?? []), ...POOLS.map((pool) => ({ name: pool, ...nothing }))];
    api.seed(Host, { ...host, status: { ...host.status, pools } });
  }
  for (const name of POOLS)
    api.seed(StoragePool, {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'StoragePool', metadata: { name } },
      spec: { type: 'Directory', directory: { path: `/srv/${name}` }, shared: true },
    } as StoragePool);
  live();
  await lab.lead();
  await lab.switchOn(policy);

  return {
    ...{ ...lab, told, early, hanging, asleep, slow },
    /** The agent of this host dies at its n-th side effect, and is started again after half a second. */
    agentDiesAt: (host: string, at: number, when: 'before' | 'after' = 'before') => {
      end(host);
      crashers.set(host, createCrasher(at, when));
    },
    agentIsDead: (host: string) => agents.get(host)?.crasher.isDead() === true,
    restartAgent: (host: string) => end(host),
    /** Disks of a guest. */
    on: (...pools: string[]) => ({ disks: pools.map((pool) => ({ name: pool, pool, size: '1Gi' })) }),
    revocations: () => lab.actions().filter(({ spec }) => spec.method === 'Revoke'),
    taken: async (pool: string): Promise<HostBoot[]> =>
      (await (await openPool(pool, 'judge')).revocations?.list()) ?? [],
    /** Whether something on the host, whatever it is, can write into the pool. */
    mayWrite: async (host: string, pool: string): Promise<boolean> => {
      const owner = { guestUuid: 'u', guest: 'VirtualMachine/default/u', disk: 'data' };
      const volume = { id: `${host}-try`, owner, kind: 'Disk', format: 'qcow2', sizeBytes: 1 } as const;
      const opened = await openPool(pool, host);
      const trying = opened.create(volume, new AbortController().signal).then(
        () => true,
        (error: unknown) => {
          if ((error as { reason?: string }).reason === 'StorageRevoked') return false;
          throw error;
        },
      );
      await clock.advance(10);
      const isWritten = await trying;
      if (isWritten) {
        const removed = opened.remove(volume.id, owner);
        await clock.advance(10);
        await removed;
      }
      return isWritten;
    },
    /** Storage remembers nothing of what it was told of hosts. */
    forget: (pool: string) => {
      for (const file of [...disk.keys()]) if (file.startsWith(`/srv/${pool}/revoked/`)) disk.delete(file);
    },
    /** The API is put back to what it held of these objects, and another manager leads by it; agents that hear it have heard that. */
    rollBack: async ({ hosts, guests, actions }: Copy, incarnation: number) => {
      for (const { metadata } of lab.actions())
        if (!actions.some((action) => action.metadata.name === metadata.name))
          await api.delete(FenceAction, metadata);
      for (const action of actions) api.seed(FenceAction, action);
      for (const host of hosts) api.seed(Host, host);
      for (const guest of guests) api.seed(VirtualMachine, guest);
      proclaim({ ...FIRST, incarnation: String(incarnation), restored: String(incarnation) });
      for (const [name, agent] of agents)
        if (!lab.machine(name).isCut) await agent.controlPlane.accept(data());
      await lab.lead(incarnation);
    },
    copy: (): Copy => ({
      hosts: [...lab.machines.keys()].flatMap((name) => lab.host(name) ?? []),
      guests: api.state.list(VirtualMachine).map((guest) => guest as Stored<VirtualMachine>),
      actions: lab.actions(),
    }),
    /** What the agent of the host says once it has been told of the restore. */
    speak: (name: string, incarnation: number) => {
      const host = api.state.get(Host, name) as Stored<Host>;
      api.seed(Host, { ...host, status: { ...host.status, incarnation } });
    },
    setPools: (name: string, pools: NonNullable<Stored<Host>['status']>['pools']) => {
      const host = api.state.get(Host, name) as Stored<Host>;
      api.seed(Host, { ...host, status: { ...host.status, ...(pools === undefined ? {} : { pools }) } });
    },
    restart: (host: string) => {
      lab.powerOff(host);
      lab.powerOn(host);
      lab.mend(host);
    },
  };
}
