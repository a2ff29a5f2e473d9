/**
 * The manager with all its controllers over an API in memory, and hosts whose keepers renew Leases, kill what they guard and start what they are
 * told, all on one fake clock. Whatever runs twice is written down.
 */
import {
  hostLeaseName,
  keeperLeaseName,
  STARTED_ANNOTATION,
  SYSTEM_NAMESPACE,
} from '../../../../src/api/cluster.ts';
import { Lease } from '../../../../src/api/core.ts';
import { strategyOf } from '../../../../src/api/guest.ts';
import { isProtected } from '../../../../src/api/ha.ts';
import { DEFAULT_HA_TIMINGS } from '../../../../src/api/haTimings.ts';
import { writeStatement } from '../../../../src/api/keeperLease.ts';
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
import type { FenceDriver } from '../../../../src/drivers/fence/contract.ts';
import {
  createSimulatedFence,
  SIMULATED_AGENT,
  type SimulatedFenceFaults,
} from '../../../../src/drivers/fence/simulated/driver.ts';
import { host, machine } from '../builders.ts';
import { createClusterLab } from '../clusterLab.ts';
import { PORT_AGENT, withSwitch } from './switchPorts.ts';

const TICK_MS = 500;
/** From power to a keeper that renews. */
const BOOT_MS = 20_000;
const API = 'vireo.dev/v1alpha1';
const POOL = { healthy: true, snapshot: false, clone: false, thin: true, resize: true };

/** A machine as it is, whatever the API says of it. */
export type Machine = {
  name: string;
  boots: number;
  term: number;
  isOn: boolean;
  isCut: boolean;
  /** Its keeper stands still, and its guests run on. */
  isStuck: boolean;
  hears: string[];
  watchdog: boolean;
  pausable: boolean;
  running: Map<string, number>;
  acknowledgedAt: number;
  sequence: number;
  hasFencedItself: boolean;
  machineID: string;
};

export type HaLab = Awaited<ReturnType<typeof createHaLab>>;

export async function createHaLab(names: readonly string[] = ['a', 'b', 'c'], embeddedOn?: string) {
  const machines = new Map<string, Machine>();
  const faults = new Map<string, SimulatedFenceFaults>();
  const twice: string[] = [];
  const switched: string[] = [];
  /** Hosts whose switch port is down. */
  const down = new Set<string>();
  const writes: string[] = [];
  /** Guests of which agents say whether they run, and the hosts on which they do not start. */
  const failsOn = new Map<string, ReadonlySet<string>>();
  /** Guests whose moves fail, and hosts that start guests without waiting for the choice of the manager. */
  const failsToMove = new Set<string>();
  const impatient = new Set<string>();
  /** What hosts measure of guests. */
  const loads = new Map<string, { cpu: number; memory: string }>();
  let diesAfterWrites = Number.POSITIVE_INFINITY;

  const power = {
    plugs: () => [...machines.keys(), ...[...machines.keys()].map((name) => `${name}-second`)],
    isOn: (plug: string) => machineOf(plug).isOn,
    switch: (plug: string, state: 'On' | 'Off') => {
      switched.push(`${plug} ${state}`);
      if (state === 'Off') powerOff(machineOf(plug).name);
      else clock.after(BOOT_MS, () => powerOn(machineOf(plug).name));
    },
  };
  const lab = createClusterLab({
    ...(embeddedOn === undefined ? {} : { embeddedOn }),
    fence: (clock) => {
      const drivers = new Map<string, ReturnType<typeof createSimulatedFence>>();
      const driverOf = (plug = '') => {
        const known =
          drivers.get(plug) ??
          createSimulatedFence({ world: { clock }, power, faults: () => faults.get(plug) ?? {} });
        drivers.set(plug, known);
        return known;
      };
      const any = driverOf();
      const each: FenceDriver = {
        ...any,
        off: (target, how) => driverOf(target.plug).off(target, how),
        on: (target, how) => driverOf(target.plug).on(target, how),
        status: (target, how) => driverOf(target.plug).status(target, how),
      };
      return withSwitch(each, {
        isUp: (name) => !down.has(name),
        set: (name, isUp) => {
          switched.push(`port of ${name} ${isUp ? 'up' : 'down'}`);
          if (isUp) down.delete(name);
          else down.add(name);
        },
      });
    },
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

  function machineOf(plug: string): Machine {
    const found = machines.get(plug.replace(/-second$/, ''));
    if (found === undefined) throw new Error(`no machine ${plug}`);
    return found;
  }
  function powerOff(name: string): void {
    const one = machineOf(name);
    one.isOn = false;
    one.running.clear();
  }
  function powerOn(name: string): void {
    const one = machineOf(name);
    if (one.isOn) return;
    Object.assign(one, {
      isOn: true,
      boots: one.boots + 1,
      term: one.term + 1,
      sequence: 0,
      hasFencedItself: false,
      isStuck: false,
    });
    one.acknowledgedAt = clock.monotonic();
  }
  const policy = () => api.state.get(ClusterPolicy, 'default') as Stored<ClusterPolicy> | undefined;
  const bootOf = ({ name, boots }: Machine) => `${name}${boots}boot-0000`;
  const guestsOn = (name: string) =>
    api.state
      .list(VirtualMachine)
      .map((guest) => guest as Stored<VirtualMachine>)
      .filter(({ status }) => status?.placement?.host === name);

  function tick(one: Machine): void {
    if (!one.isOn) return;
    const now = clock.monotonic();
    if (one.isStuck) return;
    if (one.isCut || down.has(one.name)) {
      if (now - one.acknowledgedAt < DEFAULT_HA_TIMINGS.selfFenceAfter) return;
      for (const guest of api.state.list(VirtualMachine))
        if (isProtected((guest as Stored<VirtualMachine>).spec.ha)) one.running.delete(guest.metadata.name);
      one.hasFencedItself = true;
      return;
    }
    if (one.hasFencedItself) Object.assign(one, { term: one.term + 1, sequence: 0, hasFencedItself: false });
    const mine = guestsOn(one.name);
    const isChosen = ({ ha, placement }: NonNullable<VirtualMachine['status']>) =>
      impatient.has(one.name) ||
      policy()?.spec.rebalancing?.onStart !== true ||
      ha?.state !== 'Stopped' ||
      ha.epoch !== placement?.epoch;
    const isMine = ({ spec, status }: Stored<VirtualMachine>) =>
      status?.ha === undefined && !isProtected(spec.ha)
        ? true
        : isChosen(status ?? {}) &&
          status?.placement?.bootID === bootOf(one) &&
          status.placement.term === one.term;
    for (const { metadata } of mine)
      if (metadata.deletionTimestamp !== undefined) one.running.delete(metadata.name);
    const startable = mine.filter(
      (guest) =>
        isMine(guest) &&
        strategyOf(guest.spec) === 'Always' &&
        guest.metadata.deletionTimestamp === undefined,
    );
    const guarded = startable
      .filter(({ spec }) => isProtected(spec.ha))
      .map(({ metadata, status }) => `${metadata.uid}@${status?.placement?.epoch}`);
    renew(one, now, guarded);
    const placed = new Set(mine.map(({ metadata }) => metadata.name));
    for (const name of one.running.keys()) if (!placed.has(name)) one.running.delete(name);
    for (const guest of mine)
      if (strategyOf(guest.spec) === 'Halted') one.running.delete(guest.metadata.name);
    for (const guest of startable) {
      const { metadata, status } = guest;
      const hosts = failsOn.get(metadata.name);
      if (hosts !== undefined) speak(one, guest, hosts.has(one.name));
      if (hosts?.has(one.name) === true) {
        one.running.delete(metadata.name);
        continue;
      }
      one.running.set(metadata.name, status?.placement?.epoch ?? 0);
      const others = [...machines.values()].filter(
        (other) => other !== one && other.running.has(metadata.name),
      );
      if (others.length > 0) twice.push(`${metadata.name} on ${one.name} and ${others[0]?.name}`);
    }
    handOver(one, mine);
    report(one, mine);
  }

  function speak(one: Machine, guest: Stored<VirtualMachine>, fails: boolean): void {
    const { metadata, status = {} } = guest;
    const { placement, startFailure } = status;
    const isDue = clock.monotonic() % 2_000 < TICK_MS;
    const count =
      (startFailure?.epoch === placement?.epoch ? (startFailure?.count ?? 0) : 0) + (isDue ? 1 : 0);
    const at = '2026-01-01T00:00:00Z';
    const running = { type: 'Running', status: fails ? 'False' : 'True', reason: 'Is', message: '' } as const;
    const { startFailure: _before, ...rest } = status;
    // What others say of the guest stays.
    const others = (status.conditions ?? []).filter(({ type }) => type !== running.type);
    const next = {
      ...rest,
      conditions: [...others, { ...running, lastTransitionTime: at }],
      ...(fails && count > 0 ? { startFailure: { count, epoch: placement?.epoch ?? 0 } } : {}),
    };
    if (JSON.stringify(next) !== JSON.stringify(status))
      api.seed(VirtualMachine, { ...guest, metadata, status: next });
    void one;
  }

  /** What both agents of a move do, in one moment. */
  function handOver(one: Machine, mine: readonly Stored<VirtualMachine>[]): void {
    for (const found of api.state.list(Migration)) {
      const move = found as Stored<Migration>;
      const { sourceHost, targetHost = '', completedAt } = move.status ?? {};
      const guest = mine.find(({ metadata }) => metadata.name === move.spec.guest.name);
      if (sourceHost !== one.name || completedAt !== undefined || guest === undefined) continue;
      const at = '2026-01-01T00:00:00Z';
      if (failsToMove.has(guest.metadata.name)) {
        api.seed(Migration, { ...move, status: { ...move.status, phase: 'Failed', completedAt: at } });
        continue;
      }
      one.running.delete(guest.metadata.name);
      const placement = {
        ...guest.status?.placement,
        host: targetHost,
        epoch: (guest.status?.placement?.epoch ?? 0) + 1,
        since: at,
      };
      api.seed(VirtualMachine, { ...guest, status: { ...guest.status, placement } });
      api.seed(Migration, { ...move, status: { ...move.status, phase: 'Succeeded', completedAt: at } });
    }
  }

  function renew(one: Machine, now: number, guarded: string[]): void {
    one.sequence += 1;
    const annotations = writeStatement({
      ...{ bootID: bootOf(one), term: one.term, sequence: one.sequence, sentAt: now },
      ...{ acknowledgedAt: one.acknowledgedAt, armed: one.watchdog, hears: one.hears },
      ...{ timings: DEFAULT_HA_TIMINGS, guarded, pausable: one.pausable },
      votesVersion: policy()?.status?.votes?.version ?? 0,
    });
    // The agent's beside the keeper's.
    for (const metadata of [
      { name: keeperLeaseName(one.name), annotations },
      { name: hostLeaseName(one.name) },
    ])
      api.seed(Lease, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { ...metadata, namespace: SYSTEM_NAMESPACE },
        spec: { holderIdentity: one.name, renewTime: new Date(clock.now()).toISOString() },
      });
    one.acknowledgedAt = now;
  }

  function loadOf(one: Machine, name: string) {
    const load = one.running.has(name) ? loads.get(name) : undefined;
    return load === undefined ? {} : { load };
  }

  function report(one: Machine, mine: readonly Stored<VirtualMachine>[]): void {
    const current = api.state.get(Host, one.name) as Stored<Host> | undefined;
    const guests = mine.map(({ metadata, status }) => ({
      ...{ uuid: metadata.uid, kind: 'VirtualMachine' as const, namespace: 'default', name: metadata.name },
      ...{ uid: metadata.uid, epoch: status?.placement?.epoch ?? 0, running: one.running.has(metadata.name) },
      ...loadOf(one, metadata.name),
    }));
    const watchdog = one.watchdog ? ('Armed' as const) : ('None' as const);
    const keeper = { bootID: bootOf(one), term: one.term, watchdog };
    const said = { guests, keeper, bootID: bootOf(one), machineID: one.machineID };
    const { status } = current ?? {};
    const before = {
      guests: status?.guests,
      keeper: status?.keeper,
      bootID: status?.bootID,
      machineID: status?.machineID,
    };
    if (current === undefined || JSON.stringify(before) === JSON.stringify(said)) return;
    api.seed(Host, { ...current, status: { ...current.status, ...said } });
  }

  const live = (): void => {
    for (const one of machines.values()) tick(one);
    clock.after(TICK_MS, live);
  };

  for (const name of names) {
    lab.silent.add(name);
    machines.set(name, {
      ...{ name, boots: 1, term: 1, isOn: true, isCut: false, isStuck: false, hears: [], watchdog: true },
      running: new Map(),
      ...{
        acknowledgedAt: 0,
        sequence: 0,
        hasFencedItself: false,
        pausable: false,
        machineID: `machine-${name}`,
      },
    });
  }
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
    actions: () => api.state.list(FenceAction).map((action) => action as Stored<FenceAction>),
    /** Names of hosts on which the guest executes. */
    whereRuns: (name: string) =>
      [...machines.values()].filter(({ running }) => running.has(name)).map((one) => one.name),
    editHost: lab.editHost,
    powerOff,
    powerOn,
    cutOff: (name: string) => void Object.assign(machineOf(name), { isCut: true }),
    /** Another machine is given the name of this one, and renews in its place: the first hears that, and ends what it guards. */
    intrude: (name: string, machineID: string) => {
      const known = machineOf(name);
      known.isCut = true;
      machines.set(`${name}/${machineID}`, {
        ...{
          ...known,
          machineID,
          boots: known.boots + 8,
          term: known.term + 1,
          sequence: 0,
          running: new Map(),
        },
        ...{ isOn: true, isCut: false, acknowledgedAt: clock.monotonic() },
      });
    },
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
