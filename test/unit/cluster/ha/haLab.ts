/**
 * The manager with all its controllers over an API in memory, on one fake clock with hosts: their machines (haMachines.ts), what keepers and agents do
 * on these (haAgents.ts), and what cuts them off (haFences.ts).
 */
import { keeperLeaseName, STARTED_ANNOTATION, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { Lease } from '../../../../src/api/core.ts';
import { ClusterPolicy, type ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { FenceAction } from '../../../../src/api/kinds/fenceAction.ts';
import { FenceDevice } from '../../../../src/api/kinds/fenceDevice.ts';
import { HAGroup, type HAGroupSpec } from '../../../../src/api/kinds/haGroup.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { StoragePool } from '../../../../src/api/kinds/storagePool.ts';
import { VirtualMachine, type VirtualMachineSpec } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { ApiError } from '../../../../src/client/contract.ts';
import {
  SIMULATED_AGENT,
  type SimulatedFenceFaults,
} from '../../../../src/drivers/fence/simulated/driver.ts';
import { host, machine } from '../builders.ts';
import { createClusterLab } from '../clusterLab.ts';
import { createAgents } from './haAgents.ts';
import { createFences } from './haFences.ts';
import { createMachines } from './haMachines.ts';
import { PORT_AGENT } from './switchPorts.ts';

const API = 'vireo.dev/v1alpha1';
const POOL = { healthy: true, snapshot: false, clone: false, thin: true, resize: true };

export type HaLab = Awaited<ReturnType<typeof createHaLab>>;

export async function createHaLab(names: readonly string[] = ['a', 'b', 'c'], embeddedOn?: string) {
  const all = createMachines(names);
  const { machines, machineOf, powerOff, bootOf } = all;
  const faults = new Map<string, SimulatedFenceFaults>();
  const switched: string[] = [];
  /** Hosts whose switch port is down. */
  const down = new Set<string>();
  const writes: string[] = [];
  let diesAfterWrites = Number.POSITIVE_INFINITY;

  const lab = createClusterLab({
    ...(embeddedOn === undefined ? {} : { embeddedOn }),
    fence: (clock) => createFences(clock, { machines: all, faults, down, switched }),
    intercept: ({ verb, kind, key, body }) => {
      if (verb === 'get' || verb === 'list' || verb === 'watch') {
        if (diesAfterWrites < 0) throw new ApiError(0, 'Dead', 'this manager is no more');
        return;
      }
      if (diesAfterWrites <= 0) {
        diesAfterWrites = -1;
        throw new ApiError(0, 'Dead', 'this manager is no more');
      }
      diesAfterWrites -= 1;
      writes.push(`${verb} ${kind.kind}/${key} ${JSON.stringify(body)}`);
    },
  });
  const { clock, api } = lab;
  const { twice, failsOn, failsToMove, impatient, loads, live } = createAgents({ api, clock, all, down });

  const policy = () => api.state.get(ClusterPolicy, 'default') as Stored<ClusterPolicy> | undefined;
  for (const name of names) lab.silent.add(name);
  lab.addHosts(
    ...names.map((name) =>
      host(name, {
        pools: [
          { name: 'shared', ...POOL },
          { name: 'local', ...POOL },
        ],
      }),
    ),
  );
  api.seed(StoragePool, {
    ...{ apiVersion: API, kind: 'StoragePool', metadata: { name: 'shared' } },
    spec: { type: 'Directory', directory: { path: '/srv' }, shared: true },
  } as StoragePool);
  live();

  /** Passes under way are waited for, and those wait for devices. */
  const resign = async () => {
    let isOver = false;
    const resigned = lab.resign().finally(() => {
      isOver = true;
    });
    while (!isOver) await clock.advance(500);
    await resigned;
  };
  function seedGuest(name: string, on: string, spec: Partial<VirtualMachineSpec>): void {
    const disks = [{ name: 'root', pool: 'shared', size: '1Gi' }];
    const placement = { host: on, epoch: 1, since: '2026-01-01T00:00:00Z' };
    const one = machine(name, { disks, ha: {}, ...spec }, { placement });
    const annotations = { [STARTED_ANNOTATION]: `${name}/${one.metadata.uid}` };
    api.seed(VirtualMachine, { ...one, metadata: { ...one.metadata, annotations } });
  }
  const guest = (name: string) => api.state.get(VirtualMachine, `default/${name}`) as Stored<VirtualMachine>;
  return {
    ...{
      clock,
      api,
      machines,
      faults,
      twice,
      switched,
      writes,
      guest,
      failsOn,
      failsToMove,
      impatient,
      loads,
      bootOf,
    },
    moves: () => api.state.list(Migration).map((move) => move as Stored<Migration>),
    advance: (ms: number) => clock.advance(ms),
    lead: (restored?: number) => lab.lead(restored),
    resign,
    machine: machineOf,
    host: (name: string) => api.state.get(Host, name) as Stored<Host> | undefined,
    ha: (name: string) => (api.state.get(Host, name) as Stored<Host> | undefined)?.status?.ha,
    policy,
    lease: (name: string) =>
      api.state.get(Lease, `${SYSTEM_NAMESPACE}/${keeperLeaseName(name)}`) as Stored<Lease>,
    actions: () => api.state.list(FenceAction).map((action) => action as Stored<FenceAction>),
    /** Names of hosts on which the guest executes. */
    whereRuns: (name: string) =>
      [...machines.values()].filter(({ running }) => running.has(name)).map((one) => one.name),
    editHost: lab.editHost,
    powerOff,
    powerOn: (name: string) => all.powerOn(name, clock.monotonic()),
    cutOff: (name: string) => void Object.assign(machineOf(name), { isCut: true }),
    intrude: (name: string, machineID: string) => all.intrude(name, machineID, clock.monotonic()),
    mend: (name: string) => void Object.assign(machineOf(name), { isCut: false }),
    switchOn: async (spec: ClusterPolicySpec = {}) => {
      await api.create(ClusterPolicy, {
        apiVersion: API,
        kind: 'ClusterPolicy',
        metadata: { name: 'default' },
        spec,
      });
      await clock.advance(3_000);
    },
    addDevice: (name: string, ...on: readonly { name: string; plug: string }[]) =>
      api.seed(FenceDevice, {
        ...{ apiVersion: API, kind: 'FenceDevice', metadata: { name } },
        spec: { agent: SIMULATED_AGENT, hosts: [...on] },
      }),
    /** A switch with a port for each of these hosts. */
    addSwitch: (...on: readonly string[]) =>
      api.seed(FenceDevice, {
        ...{ apiVersion: API, kind: 'FenceDevice', metadata: { name: 'switch' } },
        spec: { agent: PORT_AGENT, hosts: on.map((name) => ({ name, plug: name })) },
      }),
    addGroup: (name: string, spec: HAGroupSpec) =>
      api.seed(HAGroup, { apiVersion: API, kind: 'HAGroup', metadata: { name }, spec }),
    /** A machine on the shared pool that runs on this host when the story begins. */
    addGuest: async (name: string, on: string, spec: Partial<VirtualMachineSpec> = {}) => {
      seedGuest(name, on, spec);
      await clock.advance(3_000);
    },
    /** The same, without time to settle. */
    seedGuest,
    /** A machine that has just been placed on a host, which has not looked at it yet. */
    addNewcomer: (name: string, on: string) => {
      const disks = [{ name: 'root', pool: 'shared', size: '1Gi' }];
      const placement = { host: on, epoch: 1, since: '2026-01-01T00:00:00Z' };
      api.seed(VirtualMachine, machine(name, { disks, ha: {} }, { placement }));
    },
    /** Advances until it is so, or says that it never was. */
    until: async (what: string, holds: () => boolean, limitMs = 60_000) => {
      const begun = clock.monotonic();
      while (!holds()) {
        if (clock.monotonic() - begun > limitMs) throw new Error(`never: ${what}`);
        await clock.advance(100);
      }
      return clock.monotonic() - begun;
    },
    /** The manager that leads gets this many more writes through, and is dead to the API after that. */
    dieAfter: (count: number) => {
      diesAfterWrites = count;
    },
    /** Another manager leads, and knows only what is stored. */
    succeed: async () => {
      await resign();
      diesAfterWrites = Number.POSITIVE_INFINITY;
      await lab.lead();
    },
    isDead: () => diesAfterWrites < 0,
  };
}
