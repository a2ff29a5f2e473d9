/** How long one leader takes to place 10,000 guests on 500 hosts over an API in memory, and what a change of one host costs then. */
import { hostLeaseName, SYSTEM_NAMESPACE } from '../../src/api/cluster.ts';
import { Lease } from '../../src/api/core.ts';
import { Host } from '../../src/api/kinds/host.ts';
import { StoragePool } from '../../src/api/kinds/storagePool.ts';
import { VirtualMachine } from '../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../src/api/meta.ts';
import type { World } from '../../src/base/world.ts';
import { createMemoryClient } from '../../src/client/memory.ts';
import { createLedger } from '../../src/cluster/placement/ledger.ts';
import { createScheduler } from '../../src/cluster/placement/scheduler.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { until } from '../e2e/harness/commands.ts';
import { lead } from './leader.ts';
import { type Figure, median } from './measure.ts';

const HOSTS = 500;
const GUESTS = 10_000;
const API = 'vireo.dev/v1alpha1';
/** Changes of a host that are looked at. */
const CHANGES = 9;
/** Events wait for a pause, at most five seconds. */
const EVENTS_S = 8;

export async function benchPlacement(): Promise<Figure[]> {
  const world = realWorld({ logLevel: 'error' });
  const api = createMemoryClient({ clock: world.clock, historyLimit: 200_000 });
  for (let index = 0; index < HOSTS; index += 1) seedHost(api, `h${index}`, world.clock.now());
  renewLeases(api, world.clock.now());
  api.seed(StoragePool, {
    apiVersion: API,
    kind: 'StoragePool',
    metadata: { name: 'local' },
    spec: { type: 'Directory' },
  });
  for (let index = 0; index < GUESTS; index += 1) api.seed(VirtualMachine, guest(index));

  const stop = new AbortController();
  const renewals = setInterval(() => renewLeases(api, world.clock.now()), 3_000);
  const cpu = process.cpuUsage();
  const started = performance.now();
  const ended = lead(api, world, stop.signal);
  const arePlaced = lookAtEach(api);
  await until('all guests are placed', async () => arePlaced(), 60_000, 50);
  const took = (performance.now() - started) / 1_000;
  const spent = process.cpuUsage(cpu);
  const memory = process.resourceUsage().maxRSS / 1_024;

  clearInterval(renewals);
  // The events of ten thousand guests are still to be written.
  for (let second = 0; second < EVENTS_S; second += 1) {
    renewLeases(api, world.clock.now());
    await pause(1_000);
  }
  const changed: number[] = [];
  for (let index = 0; index < CHANGES; index += 1) changed.push(await costOfChange(api, `h${index}`, world));
  stop.abort(new Error('the bench is over'));
  await ended;
  return [
    { name: '10,000 guests on 500 hosts, the decisions alone', ours: decisions(), unit: 's' },
    { name: '10,000 guests placed on 500 hosts, API in memory', ours: took, unit: 's', aim: 5 },
    { name: 'CPU of that, API included', ours: (spent.user + spent.system) / 1e6, unit: 's' },
    { name: 'memory of that process at most, API included', ours: memory, unit: 'MiB', aim: 400 },
    { name: 'CPU of one changed host of 500 in the 200 ms after', ours: median(changed), unit: 'ms' },
  ];
}

const pause = (ms: number) => new Promise((settle) => setTimeout(settle, ms));

/** Milliseconds of CPU, with all Leases just renewed, so that none is in between. */
async function costOfChange(
  api: ReturnType<typeof createMemoryClient>,
  name: string,
  { clock }: Pick<World, 'clock'>,
): Promise<number> {
  renewLeases(api, clock.now());
  await pause(500);
  const before = process.cpuUsage();
  await api.mergePatch(Host, { name }, { spec: { unschedulable: true } });
  await pause(200);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Seconds that choosing and promising takes without an API. */
function decisions(): number {
  const ledger = createLedger();
  const scheduler = createScheduler(ledger);
  const at = new Date(0).toISOString();
  for (let index = 0; index < HOSTS; index += 1) {
    const after = {
      ...benchHost(`h${index}`, at),
      metadata: { name: `h${index}`, uid: 'u', resourceVersion: '1' },
    };
    scheduler.observe({ key: `h${index}`, after });
  }
  const started = process.cpuUsage();
  for (let index = 0; index < GUESTS; index += 1) {
    const choice = scheduler.choose(guest(index));
    if (!('host' in choice)) throw new Error(choice.message);
    ledger.assume(String(index), guest(index), choice.host);
  }
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
}

/** Whether all are placed; no guest is looked at again once it is, because looking would be part of what is timed. */
function lookAtEach(api: ReturnType<typeof createMemoryClient>): () => boolean {
  let placed = 0;
  const isPlaced = () => {
    const found = api.state.get(VirtualMachine, `default/m${placed}`) as Stored<VirtualMachine> | undefined;
    return found?.status?.placement !== undefined;
  };
  return () => {
    while (placed < GUESTS && isPlaced()) placed += 1;
    return placed === GUESTS;
  };
}

function seedHost(api: ReturnType<typeof createMemoryClient>, name: string, now: number): void {
  api.seed(Host, benchHost(name, new Date(now).toISOString()));
}

function benchHost(name: string, at: string): Host {
  const condition = (type: string) =>
    ({ type, status: 'True', reason: 'AgentReady', message: '', lastTransitionTime: at }) as const;
  return {
    apiVersion: API,
    kind: 'Host',
    metadata: { name },
    spec: {},
    status: {
      state: 'Online',
      incarnation: 1,
      inventoryAt: at,
      lxc: '5.0.2',
      cpu: { count: 64, virtualization: 'none', accelerator: 'simulated', flags: [] },
      allocatable: { cpu: 64, memory: '256Gi' },
      conditions: [condition('AgentReady'), condition('Ready')],
      pools: [{ name: 'local', healthy: true, snapshot: false, clone: false, thin: true, resize: true }],
    },
  };
}

function renewLeases(api: ReturnType<typeof createMemoryClient>, now: number): void {
  for (let index = 0; index < HOSTS; index += 1) {
    const spec = { holderIdentity: `h${index}`, renewTime: new Date(now).toISOString() };
    const metadata = { name: hostLeaseName(`h${index}`), namespace: SYSTEM_NAMESPACE };
    api.seed(Lease, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
  }
}

/** Twenty sizes, a hundred applications; one guest in ten keeps apart from its own kind where that can be had. */
function guest(index: number): VirtualMachine {
  const app = `app-${index % 100}`;
  const rule = { policy: 'Preferred', matchLabels: { app } } as const;
  return {
    apiVersion: API,
    kind: 'VirtualMachine',
    metadata: { name: `m${index}`, namespace: 'default', labels: { app } },
    spec: {
      runStrategy: 'Always',
      memory: { size: `${1 + (index % 20)}Gi` },
      disks: [{ name: 'root', pool: 'local', size: '1Gi' }],
      ...(index % 10 === 0 ? { placement: { keepApart: [rule] } } : {}),
    },
  };
}
