/** Two hosts with their agents over one API in memory, a fake clock and the ether between them. */
import { type Duplex, duplexPair } from 'node:stream';
import { type AgentDrivers, createAgent } from '../../../../src/agent/agent.ts';
import { defaultAgentConfig } from '../../../../src/agent/config.ts';
import type { Peers } from '../../../../src/agent/peers/peers.ts';
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { ConfigMap } from '../../../../src/api/core.ts';
import { guestId, guestUuid } from '../../../../src/api/identity.ts';
import { Backup } from '../../../../src/api/kinds/backup.ts';
import { Container } from '../../../../src/api/kinds/container.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { Image } from '../../../../src/api/kinds/image.ts';
import { Migration, type MigrationSpec } from '../../../../src/api/kinds/migration.ts';
import { Restore, type RestoreSpec } from '../../../../src/api/kinds/restore.ts';
import { StoragePool } from '../../../../src/api/kinds/storagePool.ts';
import { VirtualMachine, type VirtualMachineSpec } from '../../../../src/api/kinds/virtualMachine.ts';
import type { KindRef, KubeObject, Stored } from '../../../../src/api/meta.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { ReasonedError } from '../../../../src/base/outcome.ts';
import type { World } from '../../../../src/base/world.ts';
import type { Client } from '../../../../src/client/contract.ts';
import { createMemoryClient, type MemoryRequest } from '../../../../src/client/memory.ts';
import type { MachineHardware, MachineRequest } from '../../../../src/drivers/hypervisor/contract.ts';
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
} from '../../../../src/drivers/hypervisor/simulated/driver.ts';
import {
  simulatedContainers,
  simulatedMachines,
} from '../../../../src/drivers/hypervisor/simulated/kinds.ts';
import { createSimulatedImageBuilder } from '../../../../src/drivers/image/simulated.ts';
import type { StoragePool as Pool, SimulatedPoolConfig } from '../../../../src/drivers/storage/contract.ts';
import { createSimulatedPool } from '../../../../src/drivers/storage/simulated/pool.ts';
import { createManager } from '../../../../src/runtime/engine.ts';
import { createFakeClock, settle } from '../../../world/fakeClock.ts';
import { seededRandom } from '../../../world/seededRandom.ts';
import { type Crasher, createCrasher } from '../crasher.ts';
import { createFakeNetwork, type Plugs } from '../fakeNetwork.ts';
import { createMemoryFiles, type Disk } from '../memoryFiles.ts';
import { copyablePool, movableMachines, watched } from './drivers.ts';
import { createEther } from './ether.ts';

export type HostName = 'a' | 'b';
export type RunningHost = {
  crasher: Crasher;
  /** An orderly end. */
  stop(): Promise<void>;
  /** From now on nothing it does has any effect. */
  kill(): Promise<void>;
};
export type Hosts = ReturnType<typeof createHosts>;

const LIFETIME = 300_000;
/** Name of the pool that both hosts see. */
const SHARED = 'shared';

export function createHosts() {
  const clock = createFakeClock();
  const user = createMemoryClient({ clock });
  const ether = createEther(clock);
  const disks = { a: new Map() as Disk, b: new Map() as Disk, shared: new Map() as Disk };
  const plugs = { a: new Map() as Plugs, b: new Map() as Plugs };
  const requests = new Map<string, { request: MachineRequest; hardware: MachineHardware }>();
  const machinesOf = new Map<HostName, SimulatedHypervisor<MachineRequest, MachineHardware>>();
  const handlers = new Map<string, Parameters<Peers['serve']>[0]>();
  const wires = new Map<string, Duplex[]>();
  const poolFaults: { a: { full?: boolean }; b: { full?: boolean } } = { a: {}, b: {} };
  /** What the shared pool is told of comes to be there only while it takes writes. */
  const sharedStorage = { takesWrites: true, asked: 0 };
  /** Archives that are sent to the other host, and whether nothing comes of it for now. */
  const bringing = { begun: 0, isHeld: false };
  const startFaults: { a: number; b: number } = { a: 0, b: 0 };
  const api: {
    intercept?: (request: MemoryRequest, host: HostName) => void | Promise<void>;
    /** What a host watches of guests reaches it when this is over. */
    isLate?: (host: HostName) => boolean;
  } = {};
  const noWorld = {
    clock,
    random: seededRandom(),
    log: silentLog,
    processes: {} as never,
    sockets: {} as never,
  };

  user.seed(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP },
    data: { id: 'c1', incarnation: '1' },
  } as unknown as ConfigMap);

  const peersOf = (host: HostName, crasher: Crasher): Peers => ({
    place: async () => ({ address: host, port: 7_000 }),
    serve: (handler) =>
      void handlers.set(host, (peer, stream) =>
        crasher.isDead() ? stream.destroy() : handler(peer, stream),
      ),
    connect: async (peer) => {
      const handler = handlers.get(peer);
      if (handler === undefined || ether.cut.has(peer) || ether.cut.has(host)) {
        throw new ReasonedError('PeerUnreachable', `${peer} cannot be reached`);
      }
      const [own, other] = duplexPair();
      wires.set(peer, [...(wires.get(peer) ?? []), other]);
      wires.set(host, [...(wires.get(host) ?? []), own]);
      own.on('close', () => other.destroy());
      other.on('close', () => own.destroy());
      handler(host, other);
      return own;
    },
    close: async () => void handlers.delete(host),
  });

  /** One for both hosts, as one directory is. */
  let shared: Promise<Pool> | undefined;
  const openShared = (config: SimulatedPoolConfig): Promise<Pool> => {
    const world: World = { ...noWorld, files: createMemoryFiles(disks.shared) };
    shared ??= createSimulatedPool({ world, config }).then((pool) => ({
      ...pool,
      capabilities: { ...pool.capabilities, shared: true },
    }));
    return shared;
  };

  const driversOf = (host: HostName, crasher: Crasher): AgentDrivers => {
    const world: World = { ...noWorld, files: createMemoryFiles(disks[host]) };
    const fault = {
      get failStarts() {
        return startFaults[host];
      },
    };
    const faults = { '*': fault };
    const simulated = createSimulatedHypervisor({
      world,
      kind: simulatedMachines,
      stateFile: '/host/machines.json',
      latency: {},
      faults,
    });
    const boxes = createSimulatedHypervisor({
      world,
      kind: simulatedContainers,
      stateFile: '/host/containers.json',
      latency: {},
      faults,
    });
    machinesOf.set(host, simulated);
    const machines = movableMachines(host, ether, simulated, requests);
    const acts = ['start', 'shutdown', 'kill', 'remove'] as const;
    const transfer = machines.transfer;
    return {
      machines: {
        ...crasher.wrap('machines', machines, acts),
        ...(transfer === undefined
          ? {}
          : {
              transfer: crasher.wrap('transfer', transfer, [
                'receive',
                'send',
                'beginPostCopy',
                'switchOver',
                'reconnect',
                'listenAnew',
                'cancel',
                'takeBack',
                'arrive',
              ]),
            }),
      },
      containers: crasher.wrap('containers', watched(host, ether, boxes), acts),
      network: crasher.wrap('network', createFakeNetwork(plugs[host]), ['attach', 'detach']),
      openPool: async ({ name, path }) => {
        const config = { type: 'Simulated', name, path, totalBytes: 1e12 } as const;
        const pool = await (name === SHARED
          ? openShared(config)
          : createSimulatedPool({ world, config, faults: () => poolFaults[host] }));
        const { archives } = pool;
        const send: typeof archives.send = async (...what) => {
          bringing.begun += 1;
          while (bringing.isHeld) await clock.sleep(100);
          await archives.send(...what);
        };
        const copyable = { ...copyablePool(host, ether, pool), archives: { ...archives, send } };
        return crasher.wrap('pool', copyable, ['create', 'resize', 'remove', 'importVolume' as never]);
      },
      images: createSimulatedImageBuilder({ world, faults: () => ({}) }),
      writeOutShared: async () => {
        sharedStorage.asked += 1;
        if (!sharedStorage.takesWrites) throw new Error('held back still');
      },
    };
  };

  async function* held<E>(events: AsyncIterable<E>, host: HostName) {
    for await (const event of events) {
      while (api.isLate?.(host) === true) await clock.sleep(100);
      yield event;
    }
  }

  const start = async (host: HostName, crasher: Crasher = createCrasher()): Promise<RunningHost> => {
    const stop = new AbortController();
    const world: World = {
      ...noWorld,
      files: crasher.wrap('files', createMemoryFiles(disks[host]), ['writeAtomic', 'removeTree', 'remove']),
    };
    const intercept = (request: MemoryRequest) => {
      if (crasher.isDead()) throw new Error('dead');
      return api.intercept?.(request, host);
    };
    const punctual = createMemoryClient({ clock, server: user, intercept });
    const late: Client = {
      ...punctual,
      watch: (kind, how) => {
        const isGuest = kind.kind === VirtualMachine.kind || kind.kind === Container.kind;
        return isGuest ? held(punctual.watch(kind, how), host) : punctual.watch(kind, how);
      },
    };
    const client = crasher.wrap('api', late, ['create', 'mergePatch']);
    const manager = createManager({ client, world, component: 'vireo-agent', host });
    const peers = peersOf(host, crasher);
    const agent = createAgent({
      host,
      stateDirectory: '/state',
      client,
      leaseClient: createMemoryClient({ clock, server: user, intercept }),
      manager,
      world,
      config: { ...defaultAgentConfig, bridges: ['vmbr0'] },
      version: 'test',
      drivers: driversOf(host, crasher),
      peers,
      hostFacts: async () => ({
        bootID: `boot-${host}`,
        machineID: `machine-${host}`,
        kernel: '6.1',
        cpu: { count: 4, virtualization: 'none', flags: [] },
        memoryBytes: 8 * 2 ** 30,
        kernelFeatures: [],
        cgroup: 'V2',
        address: host,
      }),
    });
    const ended = agent.run(stop.signal);
    ended.catch(() => undefined);
    // What the manager writes of a host that renews its Lease.
    void agent.registered.then(() =>
      user.mergePatch(Host, { name: host }, { status: { state: 'Online' } }, { subresource: 'status' }),
    );
    const running: RunningHost = {
      crasher,
      kill: async () => {
        crasher.kill();
        await running.stop();
      },
      stop: async () => {
        stop.abort(new Error('stopped'));
        await peers.close();
        // The kernel closes what a dead process held.
        for (const wire of wires.get(host) ?? []) wire.destroy();
        let over = crasher.isDead();
        void ended
          .catch(() => undefined)
          .finally(() => {
            over = true;
          });
        for (let step = 0; step < 100 && !over; step += 1) await clock.advance(250);
      },
    };
    return running;
  };

  const until = async (what: string, condition: () => boolean, limitMs = LIFETIME): Promise<void> => {
    await settle();
    for (let passed = 0; !condition(); passed += 50) {
      if (passed > limitMs) throw new Error(`never came to pass: ${what}\n${describe()}`);
      ether.tick();
      await clock.advance(50);
    }
  };

  const find = <T extends KubeObject>(kind: KindRef<T>, name: string): Stored<T> | undefined =>
    user.state.get(kind, kind.namespaced ? `default/${name}` : name) as Stored<T> | undefined;
  const record = (host: HostName, id: string): Record<string, unknown> | undefined => {
    const text = disks[host].get(`/state/guests/${id}/record.json`);
    return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
  };
  const idOf = (kind: 'VirtualMachine' | 'Container', name: string) =>
    guestId(guestUuid('c1', { kind, namespace: 'default', name }));
  const describe = () =>
    JSON.stringify(
      {
        migrations: user.state.list(Migration).map(({ metadata, status }) => ({ metadata, status })),
        guests: [...user.state.list(VirtualMachine), ...user.state.list(Container)].map(
          ({ metadata, status }) => ({ metadata, status }),
        ),
        records: (['a', 'b'] as const).map((host) =>
          [...disks[host].keys()]
            .filter((path) => path.endsWith('record.json'))
            .map((path) => disks[host].get(path)),
        ),
        shells: ether.shells(),
        violations: ether.violations,
      },
      undefined,
      1,
    ).slice(0, 9_000);

  const seed = <T extends KubeObject>(
    kind: KindRef<T>,
    name: string,
    spec: T['spec'],
    status?: T['status'],
  ) =>
    user.seed(kind, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: kind.kind,
      metadata: { name, ...(kind.namespaced ? { namespace: 'default' } : {}) },
      spec,
      ...(status === undefined ? {} : { status }),
    } as unknown as T);
  const placed = { placement: { host: 'a', epoch: 1, since: '2026-01-01T00:00:00Z' } };

  return {
    clock,
    user,
    ether,
    disks,
    plugs,
    poolFaults,
    sharedStorage,
    startFaults,
    bringing,
    api,
    start,
    until,
    describe,
    idOf,
    record,
    createPool: (name = 'local') => seed(StoragePool, name, { type: 'Directory' }),
    createImage: () =>
      seed(Image, 'root', {
        kind: 'ContainerRootfs',
        pool: 'local',
        source: { build: { recipe: 'BusyboxRootfs' } },
      } as never),
    createMachine: (spec: Partial<VirtualMachineSpec> = {}) =>
      seed(
        VirtualMachine,
        'web',
        {
          memory: { size: '512Mi' },
          disks: [{ name: 'root', pool: 'local', size: '1Gi' }],
          networks: [{ name: 'lan', bridge: { name: 'vmbr0' } }],
          ...spec,
        } as VirtualMachineSpec,
        placed,
      ),
    /** Another machine, on b, made from what was backed up. */
    createCopy: () =>
      seed(
        VirtualMachine,
        'copy',
        {
          memory: { size: '512Mi' },
          disks: [{ name: 'root', pool: 'local', size: '1Gi', source: { backup: { name: 'first' } } }],
        } as VirtualMachineSpec,
        { placement: { ...placed.placement, host: 'b' } },
      ),
    createContainer: (spec: Partial<Container['spec']> = {}) =>
      seed(
        Container,
        'box',
        { image: 'root', rootfs: { pool: 'local' }, ...spec } as Container['spec'],
        placed,
      ),
    /** As the manager does, with both hosts told. */
    migrate: (
      kind: 'VirtualMachine' | 'Container',
      name: string,
      type: 'Live' | 'Offline',
      more: Partial<MigrationSpec> = {},
    ) => {
      const guest = user.state.get(
        kind === 'Container' ? Container : VirtualMachine,
        `default/${name}`,
      ) as Stored<VirtualMachine>;
      return seed(
        Migration,
        'move',
        { guest: { kind, name }, ...more },
        {
          phase: 'Pending',
          type,
          sourceHost: 'a',
          targetHost: 'b',
          guestUID: guest.metadata.uid,
          epoch: guest.status?.placement?.epoch ?? 0,
          assignedAt: '2026-01-01T00:00:00Z',
        },
      );
    },
    /** As the manager does, with the host told that makes it. */
    backup: (kind: 'VirtualMachine' | 'Container', name: string, host: HostName = 'a') =>
      seed(Backup, 'first', { guest: { kind, name }, pool: 'local' }, { phase: 'Pending', host }),
    restore: (kind: 'VirtualMachine' | 'Container', name: string, more: Partial<RestoreSpec> = {}) =>
      seed(
        Restore,
        'back',
        { guest: { kind, name }, backup: 'first', ifRunning: 'Stop', ...more },
        { phase: 'Pending', host: 'b' },
      ),
    /** The process of a machine dies on this host. */
    crash: async (host: HostName, id: string) => {
      ether.die(host, id);
      await machinesOf.get(host)?.end(id, 'Crashed');
    },
    cancel: () => user.delete(Migration, { namespace: 'default', name: 'move' }),
    migration: () => find(Migration, 'move'),
    backedUp: () => find(Backup, 'first'),
    restored: () => find(Restore, 'back'),
    machine: () => find(VirtualMachine, 'web'),
    copy: () => find(VirtualMachine, 'copy'),
    container: () => find(Container, 'box'),
    host: (name: HostName) => find(Host, name),
    volumes: (host: HostName | 'shared', pool = 'local') =>
      [
        ...(disks[host].get(`/state/pools/${pool}/pool.json`) ?? '').matchAll(
          /"id":"([a-z2-7]{13}-[a-z]+)"/g,
        ),
      ].map(([, id]) => id),
  };
}
