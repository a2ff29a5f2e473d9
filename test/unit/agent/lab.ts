/**
 * One host's agent over an API in memory, simulated drivers and a fake clock. The disk, the API and what runs on the host outlive the agent:
 * a story may stop it, kill it between two side effects, and start it again.
 */
import { type AgentDrivers, createAgent } from '../../../src/agent/agent.ts';
import { type AgentConfig, defaultAgentConfig } from '../../../src/agent/config.ts';
import type { KeeperLink } from '../../../src/agent/guarding.ts';
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../../src/api/cluster.ts';
import { ConfigMap } from '../../../src/api/core.ts';
import { guestId, guestUuid } from '../../../src/api/identity.ts';
import { Backup, type BackupSpec } from '../../../src/api/kinds/backup.ts';
import { Container, type ContainerSpec } from '../../../src/api/kinds/container.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { Image } from '../../../src/api/kinds/image.ts';
import { Operation, type OperationSpec } from '../../../src/api/kinds/operation.ts';
import { Restore, type RestoreSpec } from '../../../src/api/kinds/restore.ts';
import { Rollback, type RollbackSpec } from '../../../src/api/kinds/rollback.ts';
import { Snapshot } from '../../../src/api/kinds/snapshot.ts';
import { StoragePool, type StoragePoolSpec } from '../../../src/api/kinds/storagePool.ts';
import { Verify } from '../../../src/api/kinds/verify.ts';
import { VirtualMachine, type VirtualMachineSpec } from '../../../src/api/kinds/virtualMachine.ts';
import type { KindRef, KubeObject, Stored } from '../../../src/api/meta.ts';
import type { Files } from '../../../src/base/files.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { World } from '../../../src/base/world.ts';
import { createMemoryClient, type MemoryClient, type MemoryRequest } from '../../../src/client/memory.ts';
import type {
  ContainerHardware,
  ContainerRequest,
  MachineHardware,
  MachineRequest,
} from '../../../src/drivers/hypervisor/contract.ts';
import {
  createSimulatedHypervisor,
  type SimulatedFaults,
  type SimulatedHypervisor,
  type SimulatedLatency,
} from '../../../src/drivers/hypervisor/simulated/driver.ts';
import { simulatedContainers, simulatedMachines } from '../../../src/drivers/hypervisor/simulated/kinds.ts';
import {
  createSimulatedImageBuilder,
  type SimulatedImageFaults,
} from '../../../src/drivers/image/simulated.ts';
import {
  createSimulatedPool,
  type SimulatedPoolFaults,
} from '../../../src/drivers/storage/simulated/pool.ts';
import type { Manager } from '../../../src/runtime/contract.ts';
import { createManager } from '../../../src/runtime/engine.ts';
import { createFakeClock, type FakeClock, settle } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';
import { type Crasher, createCrasher } from './crasher.ts';
import { createFakeNetwork, type Plugs } from './fakeNetwork.ts';
import type { FakePrograms } from './fakePrograms.ts';
import { createMemoryFiles, type Disk } from './memoryFiles.ts';

const HOST = 'h1';
const STATE = '/state';
const CLUSTER_ID = 'c1';

export type LabOptions = {
  config?: Partial<AgentConfig>;
  latency?: SimulatedLatency;
  /** The keeper of the host; without one guests with `ha` do not start while there is a ClusterPolicy. */
  keeper?: KeeperLink;
  /** What pools run to make disks of an archive, and to roll one back. */
  programs?: FakePrograms;
  /** What guests have used, where somebody counts. */
  usage?: NonNullable<AgentDrivers['usage']>;
  /** The host votes and runs no guests. */
  witness?: boolean;
  /** Has what the host holds of shared pools written out. */
  writeOutShared?: () => Promise<void>;
  /** The same machine and API, as an earlier story has left them. */
  before?: { clock: FakeClock; user: MemoryClient; disk: Disk };
  /** Time each change of a pool takes. */
  poolLatencyMs?: number;
};

type Life = { id: string; state: string; ended?: string; copiedAtMs?: number };
type Machines = SimulatedHypervisor<MachineRequest, MachineHardware>;
type Containers = SimulatedHypervisor<ContainerRequest, ContainerHardware>;

export type RunningAgent = {
  manager: Manager;
  machines: Machines;
  containers: Containers;
  crasher: Crasher;
  /** The host goes down. */
  leave(kind: 'Reboot' | 'PowerOff'): Promise<void>;
  /** An orderly end. */
  stop(): Promise<void>;
};

export type Lab = ReturnType<typeof createLab>;

export function createLab(options: LabOptions = {}) {
  const clock = options.before?.clock ?? createFakeClock();
  const user = options.before?.user ?? createMemoryClient({ clock });
  const disk: Disk = options.before?.disk ?? new Map();
  const plugs: Plugs = new Map();
  const faults: SimulatedFaults = {};
  const poolFaults: SimulatedPoolFaults = {};
  const limits = new Map<string, number | undefined>();
  let imageFault: SimulatedImageFaults = {};
  const api: { intercept?: (request: MemoryRequest) => void | Promise<void> } = {};

  const setCluster = (id: string, incarnation: number) =>
    user.seed(ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP },
      data: { id, incarnation: String(incarnation) },
    } as unknown as ConfigMap);
  setCluster(CLUSTER_ID, 1);

  const lives = (kind: 'machines' | 'containers'): Life[] =>
    (disk.get(`/host/${kind}.json`) ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Life);

  const begun: string[] = [];
  const running = () =>
    new Set(
      [...lives('machines'), ...lives('containers')].flatMap(({ id, state }) =>
        state === 'Off' ? [] : [id],
      ),
    );
  /** What stands on the host is written by the kernel, so to say: it does not die with the agent. */
  const hostFiles = (): Files => {
    const files = createMemoryFiles(disk);
    return {
      ...files,
      writeAtomic: async (path, data) => {
        const before = running();
        await files.writeAtomic(path, data);
        begun.push(...[...running()].filter((id) => !before.has(id)));
      },
    };
  };

  const noWorld = {
    clock,
    random: seededRandom(),
    log: silentLog,
    processes: {} as never,
    sockets: {} as never,
  };

  /** Drivers as a new agent makes them, over what stands on the host. */
  const makeDrivers = (crasher: Crasher) => {
    const host: World = { ...noWorld, files: hostFiles() };
    const latency = options.latency ?? {};
    const machines = createSimulatedHypervisor({
      world: host,
      kind: simulatedMachines,
      stateFile: '/host/machines.json',
      latency,
      faults,
    });
    const containers = createSimulatedHypervisor({
      world: host,
      kind: simulatedContainers,
      stateFile: '/host/containers.json',
      latency,
      faults,
    });
    const acts = ['start', 'shutdown', 'kill', 'remove', 'pause', 'resume'] as const;
    const copies = crasher.wrap('copies', machines.snapshots.copies, ['begin', 'end']);
    const inGuest = crasher.wrap('inGuest', { ...machines.snapshots, copies }, ['freeze', 'thaw']);
    const keeps = ['gather', 'release', 'keep', 'letGo', 'remove', 'wake'] as const;
    const memory = crasher.wrap('memory', machines.memory, keeps);
    const drivers: AgentDrivers = {
      machines: crasher.wrap('machines', Object.assign(machines, { snapshots: inGuest, memory }), acts),
      containers: crasher.wrap('containers', containers, acts),
      network: crasher.wrap('network', createFakeNetwork(plugs), ['attach', 'detach']),
      openPool: async ({ name, path, type, sharedBy }) => {
        const { limit: _, ...pool } = await createSimulatedPool({
          world: host,
          config: {
            ...({ type: 'Simulated', name, path, totalBytes: 1e12 } as const),
            ...(sharedBy === undefined ? {} : { sharedBy }),
          },
          faults: () => poolFaults,
          ...(options.poolLatencyMs === undefined ? {} : { latencyMs: options.poolLatencyMs }),
        });
        const { programs } = options;
        const rollBack: typeof pool.snapshots.rollBack = async (ids, name, permitted) => {
          await pool.snapshots.rollBack(ids, name, permitted);
          await programs?.run('rollBack');
        };
        const prepare: typeof pool.replacements.prepare = async (replacement, signal) => {
          await programs?.run('prepare');
          await pool.replacements.prepare(replacement, signal);
        };
        const snapshots = crasher.wrap('snapshots', { ...pool.snapshots, rollBack }, [
          'take',
          'rollBack',
          'remove',
        ]);
        const fills = ['begin', 'target', 'gather', 'save', 'finish'] as const;
        const filling = crasher.wrap('archives', pool.archives.filling, fills);
        const replacements = crasher.wrap('replacements', { ...pool.replacements, prepare }, [
          'prepare',
          'swap',
          'discard',
        ]);
        const archives = crasher.wrap('archives', { ...pool.archives, filling }, ['remove']);
        const revocations =
          pool.revocations && crasher.wrap('revocations', pool.revocations, ['revoke', 'restore']);
        const taking = revocations === undefined ? {} : { revocations };
        const limit = async (id: string, sizeBytes: number | undefined) => void limits.set(id, sizeBytes);
        const limited = type === 'Btrfs' ? { limit } : {};
        const shared = sharedBy === undefined ? {} : { shared: true };
        const capabilities = { ...pool.capabilities, ...shared };
        return crasher.wrap(
          'pool',
          { ...pool, ...limited, ...taking, capabilities, snapshots, archives, replacements },
          ['create', 'resize', 'remove'],
        );
      },
      images: createSimulatedImageBuilder({ world: host, faults: () => imageFault }),
      ...(options.writeOutShared === undefined ? {} : { writeOutShared: options.writeOutShared }),
      ...(options.programs === undefined ? {} : { programs: options.programs.groups }),
      ...(options.usage === undefined ? {} : { usage: options.usage }),
    };
    return { machines, containers, drivers };
  };

  const start = async (
    crasher: Crasher = createCrasher(),
    machine: { machineID?: string; stateDirectory?: string } = {},
  ): Promise<RunningAgent> => {
    const stop = new AbortController();
    const world: World = {
      ...noWorld,
      files: crasher.wrap('files', createMemoryFiles(disk), ['writeAtomic', 'removeTree', 'remove']),
    };
    const { machines, containers, drivers } = makeDrivers(crasher);
    const memory = createMemoryClient({
      clock,
      server: user,
      intercept: (request) => api.intercept?.(request),
    });
    const client = crasher.wrap('api', memory, ['create', 'mergePatch']);
    const manager = createManager({ client, world, component: 'vireo-agent', host: HOST });
    const agent = createAgent({
      host: HOST,
      stateDirectory: machine.stateDirectory ?? STATE,
      client,
      leaseClient: createMemoryClient({
        clock,
        server: user,
        intercept: (request) => {
          if (crasher.isDead()) throw new Error('dead');
          return api.intercept?.(request);
        },
      }),
      manager,
      world,
      config: { ...defaultAgentConfig, ...options.config },
      version: 'test',
      drivers,
      ...(options.keeper === undefined ? {} : { keeper: options.keeper }),
      witness: options.witness ?? false,
      hostFacts: async () => ({
        bootID: 'boot-1',
        machineID: machine.machineID ?? 'machine-1',
        kernel: '6.1',
        cpu: { count: 4, virtualization: 'none', flags: [] },
        memoryBytes: 8 * 2 ** 30,
        kernelFeatures: [],
        cgroup: 'V2',
      }),
    });
    const ended = agent.run(stop.signal);
    // A rejection is looked at when the agent is stopped.
    ended.catch(() => undefined);
    const until = async () => {
      stop.abort(new Error('stopped'));
      let over = false;
      void ended
        .finally(() => {
          over = true;
        })
        .catch(() => undefined);
      for (let step = 0; step < 100 && !over && !crasher.isDead(); step += 1) await clock.advance(250);
      if (!crasher.isDead()) await ended;
    };
    return { manager, machines, containers, crasher, leave: agent.leave, stop: until };
  };

  /** Lets time pass in small steps until `condition` holds. */
  const until = async (what: string, condition: () => boolean, limitMs = 120_000): Promise<void> => {
    await settle();
    for (let passed = 0; !condition(); passed += 50) {
      if (passed > limitMs) throw new Error(`never came to pass: ${what}\n${describe()}`);
      await clock.advance(50);
    }
    await clock.advance(50);
  };

  const find = <T extends KubeObject>(kind: KindRef<T>, name: string): Stored<T> | undefined =>
    user.state.get(kind, kind.namespaced ? `default/${name}` : name) as Stored<T> | undefined;
  const machine = (name: string) => find(VirtualMachine, name);
  const container = (name: string) => find(Container, name);

  const describe = (): string =>
    JSON.stringify(
      [VirtualMachine, Container, Operation, Snapshot, Rollback, Backup, Restore, Host].flatMap((kind) =>
        user.state
          .list(kind)
          .map((object) => ({ kind: kind.kind, meta: object.metadata, status: object.status })),
      ),
      undefined,
      1,
    ).slice(0, 6_000);

  const create = <T extends KubeObject>(
    kind: KindRef<T> & { kind: string; group: string; version: string },
    name: string,
    spec: T['spec'],
    more: { annotations?: Record<string, string>; status?: T['status'] } = {},
  ): Stored<T> =>
    user.seed(kind, {
      apiVersion: `${kind.group}/${kind.version}`,
      kind: kind.kind,
      metadata: {
        name,
        ...(kind.namespaced ? { namespace: 'default' } : {}),
        ...(more.annotations === undefined ? {} : { annotations: more.annotations }),
      },
      spec,
      ...(more.status === undefined ? {} : { status: more.status }),
    } as unknown as T);

  const placed = (epoch: number, host = HOST) => ({
    placement: { host, epoch, since: '2026-01-01T00:00:00Z' },
    conditions: [
      {
        type: 'Scheduled',
        status: 'True' as const,
        reason: 'Placed',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  });

  const idOf = (kind: 'VirtualMachine' | 'Container', name: string) =>
    guestId(guestUuid(CLUSTER_ID, { kind, namespace: 'default', name }));

  return {
    clock,
    user,
    disk,
    plugs,
    faults,
    /** How many guests stand on the host. */
    executing: () => running().size,
    /** Most that trees in pools of type Btrfs may hold, by volume. */
    limits,
    poolFaults: poolFaults as { full?: boolean; missing?: boolean },
    api,
    start,
    /** What `vireo down` works with once the agent has ended. */
    forRemoval: () => ({
      stateDirectory: STATE,
      drivers: makeDrivers(createCrasher()).drivers,
      world: { files: createMemoryFiles(disk), log: silentLog },
    }),
    until,
    setCluster,
    machine,
    container,
    idOf,
    placed,
    describe,
    setImageFault: (fault: SimulatedImageFaults) => {
      imageFault = fault;
    },
    host: () => find(Host, HOST),
    operation: (name: string) => find(Operation, name),
    snapshot: (name: string) => find(Snapshot, name),
    rollback: (name: string) => find(Rollback, name),
    backup: (name: string) => find(Backup, name),
    restore: (name: string) => find(Restore, name),
    verify: (name: string) => find(Verify, name),
    createVerify: (name: string, backup: string) =>
      create(Verify, name, { backup }, { status: { host: HOST } }),
    createSnapshot: (
      name: string,
      guest: Snapshot['spec']['guest'],
      more: Partial<Snapshot['spec']> = {},
      annotations?: Record<string, string>,
    ) =>
      create(
        Snapshot,
        name,
        { guest, ...more },
        { status: { host: HOST }, ...(annotations === undefined ? {} : { annotations }) },
      ),
    createRollback: (
      name: string,
      snapshot: string,
      guest: RollbackSpec['guest'],
      more: Partial<RollbackSpec> = {},
    ) => create(Rollback, name, { guest, snapshot, ...more }, { status: { host: HOST } }),
    createBackup: (
      name: string,
      guest: BackupSpec['guest'],
      more: Partial<BackupSpec> = {},
      annotations?: Record<string, string>,
    ) =>
      create(
        Backup,
        name,
        { guest, pool: 'local', ...more },
        { status: { host: HOST }, ...(annotations === undefined ? {} : { annotations }) },
      ),
    createRestore: (
      name: string,
      backup: string,
      guest: RestoreSpec['guest'],
      more: Partial<RestoreSpec> = {},
    ) => create(Restore, name, { guest, backup, ...more }, { status: { host: HOST } }),
    createPool: (name: string, spec: Partial<StoragePoolSpec> = {}) =>
      create(StoragePool, name, { type: 'Directory', ...spec }),
    createImage: (name: string, spec: Partial<Image['spec']> = {}) =>
      create(Image, name, {
        kind: 'Disk',
        pool: 'local',
        source: { build: { recipe: 'DemoDisk' } },
        ...spec,
      }),
    createMachine: (name: string, spec: Partial<VirtualMachineSpec> = {}, epoch = 1) =>
      create(VirtualMachine, name, { memory: { size: '512Mi' }, ...spec }, { status: placed(epoch) }),
    createContainer: (name: string, spec: Partial<ContainerSpec> = {}, epoch = 1) =>
      create(
        Container,
        name,
        { image: 'root', rootfs: { pool: 'local' }, ...spec },
        { status: placed(epoch) },
      ),
    createOperation: (
      name: string,
      action: OperationSpec['action'],
      guest: OperationSpec['guest'],
      more: Partial<OperationSpec> = {},
      annotations?: Record<string, string>,
    ) =>
      create(
        Operation,
        name,
        { guest, action, ...more },
        {
          status: { host: HOST },
          ...(annotations === undefined ? {} : { annotations }),
        },
      ),
    /** Changes fields of a guest's spec, as a user does. */
    edit: (kind: KindRef, name: string, spec: object) =>
      user.mergePatch(kind, { namespace: 'default', name }, { spec }),
    patchStatus: (kind: KindRef, name: string, status: object | null) =>
      user.mergePatch(kind, { namespace: 'default', name }, { status }, { subresource: 'status' }),
    remove: (kind: KindRef, name: string) => user.delete(kind, { namespace: 'default', name }),
    record: (id: string): Record<string, unknown> | undefined => {
      const text = disk.get(`${STATE}/guests/${id}/record.json`);
      return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
    },
    lives,
    /** How often the guest began to run on this host, whatever the agents remember of it. */
    starts: (id: string) => begun.filter((other) => other === id).length,
    conditionOf: (object: Stored<KubeObject> | undefined, type: string) =>
      (
        (
          object?.status as {
            conditions?: { type: string; status: string; reason: string; message: string }[];
          }
        )?.conditions ?? []
      ).find((condition) => condition.type === type),
  };
}
