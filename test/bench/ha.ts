/** What one round of high availability costs for 500 hosts and 10,000 protected guests: at rest, and when ten hosts are lost at once. */

import { DEFAULT_HA_TIMINGS } from '../../src/api/haTimings.ts';
import type { ClusterPolicy } from '../../src/api/kinds/clusterPolicy.ts';
import type { Host } from '../../src/api/kinds/host.ts';
import { Host as HostKind } from '../../src/api/kinds/host.ts';
import type { VirtualMachine } from '../../src/api/kinds/virtualMachine.ts';
import { VirtualMachine as MachineKind } from '../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../src/api/meta.ts';
import type { NeighbourRule } from '../../src/api/placement.ts';
import { createMemoryClient } from '../../src/client/memory.ts';
import { createObserver, type HostLease } from '../../src/cluster/ha/observer.ts';
import { createTurns } from '../../src/cluster/ha/turns.ts';
import { createLedger } from '../../src/cluster/placement/ledger.ts';
import { createMembership } from '../../src/cluster/placement/membership.ts';
import { createScheduler } from '../../src/cluster/placement/scheduler.ts';
import { createSorter } from '../../src/cluster/recovery/crowd.ts';
import { guestId } from '../../src/cluster/recovery/guestViews.ts';
import { type RoundSources, runRound } from '../../src/cluster/recovery/round.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { type Figure, median } from './measure.ts';

const HOSTS = 500;
const GUESTS = 10_000;
const LOST = 10;
const RULED = 2_000;
const AT = '2026-01-01T00:00:00Z';
const API = 'vireo.dev/v1alpha1';

/** Ten hosts that fall silent are suspected, found dead and their guests placed, in so many rounds at most. */
const ROUNDS = 400;

export async function benchHa(): Promise<Figure[]> {
  const ruled = await withRules();
  const cluster = seed();
  const rest: number[] = [];
  const cpu = process.cpuUsage();
  for (let index = 0; index < 20; index += 1) rest.push(await cluster.round());
  const { user, system } = process.cpuUsage(cpu);
  cluster.lose(LOST);
  const failure: number[] = [];

  while (cluster.waiting() > 0 && failure.length < ROUNDS) failure.push(await cluster.round());
  return [
    {
      name: `HA round, ${HOSTS} hosts and ${GUESTS} guests at rest`,
      ours: median(rest),
      unit: 'ms',
      aim: 200,
    },
    { name: 'CPU of one, the Leases of the model included', ours: (user + system) / 20_000, unit: 'ms' },
    { name: 'the slowest of 20 of these', ours: Math.max(...rest), unit: 'ms' },
    { name: `rounds until ${LOST} lost hosts have no guest left`, ours: failure.length, unit: '' },
    { name: 'HA round meanwhile, median', ours: median(failure), unit: 'ms' },
    { name: 'the slowest of these', ours: Math.max(...failure), unit: 'ms', aim: 200 },
    ...ruled,
    { name: 'guests that were left', ours: cluster.waiting(), unit: '', aim: 0 },
    {
      name: 'memory of that process at most',
      ours: process.resourceUsage().maxRSS / 1_024,
      unit: 'MiB',
      aim: 500,
    },
  ];
}

/** Pairs that keep apart, a tenth of which run together: one round looks for all that is broken, others do not. */
async function withRules(): Promise<Figure[]> {
  const cluster = seed(RULED);
  const took: number[] = [];
  for (let index = 0; index < 22; index += 1) took.push(await cluster.round());
  const name = `slowest HA round with ${RULED} guests of rules, ${RULED / 10} of them broken`;
  return [{ name, ours: Math.max(...took.slice(1)), unit: 'ms', aim: 200 }];
}

/** The objects as informers would show them; each write of a round is shown at once. The first `ruled` guests keep apart in pairs. */
function seed(ruled = 0) {
  const world = realWorld({ logLevel: 'error' });
  const api = createMemoryClient({ clock: world.clock, historyLimit: 100 });
  const ledger = createLedger();
  const scheduler = createScheduler(ledger);
  const hosts = new Map<string, Stored<Host>>();
  const guests = new Map<string, Stored<VirtualMachine>>();
  const lost = new Set<string>();
  const timings = DEFAULT_HA_TIMINGS;
  const observer = createObserver(() => timings);
  const running = new Map<string, Set<string>>();
  let now = 0;

  const takeHost = (name: string): void => {
    const after = api.state.get(HostKind, name) as Stored<Host>;
    if (hosts.get(name) === after) return;
    hosts.set(name, after);
    scheduler.observe({ key: name, after });
  };
  const takeGuest = (key: string): void => {
    const after = api.state.get(MachineKind, `default/${key}`) as Stored<VirtualMachine>;
    guests.set(key, after);
    ledger.observe(guestId(after), { key: guestId(after), after });
  };
  for (let index = 0; index < HOSTS; index += 1) {
    const name = `h${index}`;
    const mine = Array.from({ length: GUESTS / HOSTS }, (_, at) => `g${index * (GUESTS / HOSTS) + at}`);
    running.set(name, new Set(mine));
    api.seed(HostKind, hostOf(name, mine));
    takeHost(name);
  }
  for (let index = 0; index < GUESTS; index += 1) {
    const placement = index < ruled ? { placement: { keepApart: [apartFrom(index, ruled)] } } : {};
    api.seed(MachineKind, machineOf(`g${index}`, `h${Math.floor(index / (GUESTS / HOSTS))}`, placement));
    takeGuest(`g${index}`);
  }
  const voters = Array.from({ length: 7 }, (_, index) => ({ name: `h${index + 20}`, votes: 1 }));
  const policy = {
    ...{
      apiVersion: API,
      kind: 'ClusterPolicy',
      metadata: { name: 'default', uid: 'p', resourceVersion: '1' },
    },
    spec: {},
  } as Stored<ClusterPolicy>;
  const leases = new Map<string, HostLease>();
  const marks = new Map<string, number>();
  const membership = createMembership();
  const sort = createSorter(membership);
  const turns = { told: createTurns(), decided: createTurns() };
  const sources: RoundSources = {
    hosts: () => [...hosts.values()],
    guests: () => [...guests.values()],
    groups: () => [],
    actions: () => [],
    devicesOf: () => [],
    pool: (name) =>
      ({ ...{ apiVersion: API, kind: 'StoragePool', metadata: { name } }, spec: { shared: true } }) as never,
    judge: (guest) => scheduler.judge(guest),
    breach: (guest) => scheduler.breach(guest),
    takes: (host, guest) => scheduler.takes(host, scheduler.want(guest)),
    book: (guest, host) => {
      const { placement } = guest.status ?? {};
      if (placement === undefined) return;
      const key = guestId(guest);
      ledger.observe(key, {
        key,
        after: { ...guest, status: { ...guest.status, placement: { ...placement, host } } } as never,
      });
    },
    demand: () => undefined,
    allocatedBytes: (host) => ledger.allocated(host).memoryBytes,
    membership,
    migrationsOf: () => [],
    companions: () => [],
    bound: (guest) => scheduler.bound(guest).map(({ key }) => key),
    destinations: () => [],
    isBehind: () => false,
  };

  async function round(): Promise<number> {
    now += timings.observation;
    // The Lease of a host that is lost stays as it was.
    for (const name of hosts.keys())
      if (!lost.has(name)) leases.set(name, leaseOf(name, now, running.get(name)));
    const before = new Set<string>();
    observer.observe([...leases.values()], { startedAt: now - 5, endedAt: now });
    const began = performance.now();
    await runRound(
      {
        ...{ policy, timings, observer, sort, turns, now },
        votes: { version: 1, voters },
        since: (what, holds) => {
          if (!holds) marks.delete(what);
          else if (!marks.has(what)) marks.set(what, now);
          return now - (marks.get(what) ?? now);
        },
      },
      sources,
      { client: api, signal: new AbortController().signal, now, timeoutMs: 1_000 },
      { wrote: (object) => void before.add(`${object.kind}/${object.metadata.name}`), event: () => {} },
    );
    const took = performance.now() - began;
    for (const key of before) {
      const [kind, name = ''] = key.split('/');
      if (kind === 'Host') takeHost(name);
      else takeGuest(name);
    }
    return took;
  }

  return {
    round,
    lose: (count: number) => {
      for (let index = 0; index < count; index += 1) lost.add(`h${index}`);
    },
    /** Guests on hosts that are lost. */
    waiting: () =>
      [...guests.values()].filter(({ status }) => lost.has(status?.placement?.host ?? '')).length,
  };
}

function hostOf(name: string, guests: readonly string[]): Host {
  const condition = (type: string) =>
    ({ type, status: 'True', reason: type, message: '', lastTransitionTime: AT }) as const;
  return {
    ...{ apiVersion: API, kind: 'Host', metadata: { name } },
    spec: {},
    status: {
      ...{ state: 'Online', incarnation: 1, inventoryAt: AT },
      cpu: { count: 64, virtualization: 'none', accelerator: 'tcg' },
      allocatable: { cpu: 64, memory: '128Gi' },
      conditions: [condition('AgentReady'), condition('Ready'), condition('Schedulable')],
      pools: [{ name: 'shared', healthy: true, snapshot: false, clone: false, thin: true, resize: true }],
      keeper: { bootID: `boot-${name}`, term: 1, watchdog: 'Armed' },
      ...{ bootID: `boot-${name}`, machineID: `machine-${name}` },
      guests: guests.map((guest) => ({
        ...{ uuid: guest, uid: `uid-${guest}`, kind: 'VirtualMachine', namespace: 'default', name: guest },
        ...{ epoch: 1, running: true },
      })),
    },
  } as Host;
}

/** Of ten pairs one is of neighbours on one host. */
function apartFrom(index: number, ruled: number): NeighbourRule {
  const other = index % 20 < 2 ? index ^ 1 : (index + ruled / 2) % ruled;
  return { policy: 'Required', guest: { kind: 'VirtualMachine', name: `g${other}` } };
}

function machineOf(name: string, host: string, spec: Partial<VirtualMachine['spec']>): VirtualMachine {
  return {
    ...{ apiVersion: API, kind: 'VirtualMachine' },
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      annotations: { 'vireo.dev/started': `${name}/uid-${name}` },
    },
    spec: {
      memory: { size: '1Gi' },
      disks: [{ name: 'root', pool: 'shared', size: '1Gi' }],
      ha: {},
      ...spec,
    },
    status: {
      placement: { host, epoch: 1, since: AT, bootID: `boot-${host}`, term: 1 },
      ha: { state: 'Started', epoch: 1 },
    },
  } as VirtualMachine;
}

function leaseOf(host: string, now: number, guests: ReadonlySet<string> = new Set()): HostLease {
  return {
    ...{ host, bootID: `boot-${host}`, term: 1, sequence: now, sentAt: now, acknowledgedAt: now - 500 },
    ...{ armed: true, pausable: false, hears: [], version: now, timings: DEFAULT_HA_TIMINGS },
    guarded: new Set([...guests].map((guest) => `uid-${guest}@1`)),
  };
}
