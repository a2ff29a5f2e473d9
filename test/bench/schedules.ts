/** What 1,000 schedules cost one leader while none of them is due, and how late they are when all are due at once; API in memory, guests on no real host. */
import { hostLeaseName, SYSTEM_NAMESPACE } from '../../src/api/cluster.ts';
import { Lease } from '../../src/api/core.ts';
import { Backup } from '../../src/api/kinds/backup.ts';
import { BackupSchedule } from '../../src/api/kinds/backupSchedule.ts';
import { Host } from '../../src/api/kinds/host.ts';
import { Snapshot } from '../../src/api/kinds/snapshot.ts';
import { SnapshotSchedule } from '../../src/api/kinds/snapshotSchedule.ts';
import { VirtualMachine } from '../../src/api/kinds/virtualMachine.ts';
import type { KindRef } from '../../src/api/meta.ts';
import { createMemoryClient } from '../../src/client/memory.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { until } from '../e2e/harness/commands.ts';
import { lead } from './leader.ts';
import { type Figure, median } from './measure.ts';

const COUNT = 1_000;
const API = 'vireo.dev/v1alpha1';
const MINUTE_MS = 60_000;
const IDLE_MS = 20_000;
const SETTLE_MS = 5_000;

type Kinds = {
  schedule: KindRef<SnapshotSchedule> | KindRef<BackupSchedule>;
  child: KindRef<Snapshot> | KindRef<Backup>;
  /** What its spec has beside time and guests. */
  spec: object;
};
const SNAPSHOTS: Kinds = { schedule: SnapshotSchedule, child: Snapshot, spec: { keep: 1 } };
const BACKUPS: Kinds = {
  schedule: BackupSchedule,
  child: Backup,
  spec: { pool: 'local', retention: { last: 1 }, maxFailures: 3 },
};

/** Of Snapshots, then of Backups, each with a leader of its own; `parts`: only of these plurals. */
export async function benchSchedules(parts: readonly string[]): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const kinds of [SNAPSHOTS, BACKUPS])
    if (parts.length === 0 || parts.includes(kinds.child.plural)) figures.push(...(await benchOf(kinds)));
  return figures;
}

async function benchOf(kinds: Kinds): Promise<Figure[]> {
  const { schedule: kind, child } = kinds;
  const world = realWorld({ logLevel: 'error' });
  const api = createMemoryClient({ clock: world.clock, historyLimit: 200_000 });
  const at = new Date(world.clock.now()).toISOString();
  api.seed(Host, host(at));
  renew(api, world.clock.now());
  for (let index = 0; index < COUNT; index += 1) api.seed(VirtualMachine, guest(index, at));
  const stop = new AbortController();
  const renewals = setInterval(() => renew(api, world.clock.now()), 3_000);
  const ended = lead(api, world, stop.signal);

  const without = await idleShare();
  const far = new Date(world.clock.now() + 12 * 60 * MINUTE_MS);
  const once = `0 ${far.getUTCHours()} * * *`;
  for (let index = 0; index < COUNT; index += 1)
    api.seed(kind as KindRef<SnapshotSchedule>, schedule(kinds, index, once, at));
  await until('all know their next time', async () => allKnowTheirTime(api, kind), 5 * MINUTE_MS, 100);
  const idle = await idleShare();

  const late = watchChildren(api, child, stop.signal);
  for (let index = 0; index < COUNT; index += 1)
    await api.mergePatch(kind as KindRef<SnapshotSchedule>, ref(index), {
      spec: { schedule: '* * * * *' },
    });
  await until('all know their next minute', async () => allAreDueSoon(api, kind), 5 * MINUTE_MS, 100);
  const from = Date.now();
  await until('two times have passed', async () => late.full(from).length >= 2, 4 * MINUTE_MS, 100);
  const [first = [], second = []] = late.full(from);
  clearInterval(renewals);
  stop.abort(new Error('the bench is over'));
  await ended;
  const drift = Math.abs(median(second) - median(first));
  return [
    {
      name: `idle CPU of a leader with 1,000 ${kind.kind}s`,
      ours: idle,
      unit: '%',
      aim: 1,
      against: { name: 'without', value: without },
    },
    {
      name: `1,000 ${child.kind}s at one minute: half of them after`,
      ours: median(second) / 1_000,
      unit: 's',
    },
    { name: 'all of them after', ours: Math.max(...second) / 1_000, unit: 's' },
    { name: 'later than the minute before (drift)', ours: drift / 1_000, unit: 's', aim: 1 },
  ];
}

/** Percent of one processor, after what went before has settled. */
async function idleShare(): Promise<number> {
  await pause(SETTLE_MS);
  const before = process.cpuUsage();
  await pause(IDLE_MS);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1_000 / IDLE_MS) * 100;
}

const pause = (ms: number) => new Promise((settle) => setTimeout(settle, ms));
const ref = (index: number) => ({ namespace: 'default', name: `s${index}` });

function allKnowTheirTime(api: ReturnType<typeof createMemoryClient>, kind: Kinds['schedule']): boolean {
  const all = api.state.list(kind as KindRef<SnapshotSchedule>) as unknown as SnapshotSchedule[];
  return all.length === COUNT && all.every(({ status }) => status?.nextTick !== undefined);
}

function allAreDueSoon(api: ReturnType<typeof createMemoryClient>, kind: Kinds['schedule']): boolean {
  const all = api.state.list(kind as KindRef<SnapshotSchedule>) as unknown as SnapshotSchedule[];
  return all.every(({ status }) => Date.parse(status?.nextTick ?? '') <= Date.now() + MINUTE_MS);
}

/** How late each was made, milliseconds after its minute; of the minutes since `from` of which all have been made, in their order. */
function watchChildren(
  api: ReturnType<typeof createMemoryClient>,
  child: Kinds['child'],
  signal: AbortSignal,
) {
  const kind = child as KindRef<Snapshot>;
  const minutes = new Map<number, number[]>();
  const look = async () => {
    const { resourceVersion } = await api.list(kind);
    for await (const { type } of api.watch(kind, { resourceVersion, signal })) {
      if (type !== 'ADDED') continue;
      const now = Date.now();
      const minute = Math.floor(now / MINUTE_MS);
      minutes.set(minute, [...(minutes.get(minute) ?? []), now - minute * MINUTE_MS]);
    }
  };
  look().catch(() => {});
  const isFull = ([minute, late]: [number, number[]], from: number) =>
    minute * MINUTE_MS >= from && late.length === COUNT;
  return {
    full: (from: number) => [...minutes].filter((one) => isFull(one, from)).map(([, late]) => late),
  };
}

function schedule(
  { schedule: { kind }, spec }: Kinds,
  index: number,
  when: string,
  at: string,
): SnapshotSchedule {
  return {
    apiVersion: API,
    kind,
    metadata: { ...ref(index), creationTimestamp: at },
    spec: { schedule: when, guestSelector: { matchLabels: { bench: String(index) } }, ...spec },
  } as unknown as SnapshotSchedule;
}

function guest(index: number, at: string): VirtualMachine {
  return {
    apiVersion: API,
    kind: 'VirtualMachine',
    metadata: { name: `m${index}`, namespace: 'default', labels: { bench: String(index) } },
    spec: { runStrategy: 'Always', memory: { size: '1Gi' } },
    status: { placement: { host: 'h1', epoch: 1, since: at } },
  };
}

function host(at: string): Host {
  const condition = (type: string) =>
    ({ type, status: 'True', reason: 'AgentReady', message: '', lastTransitionTime: at }) as const;
  return {
    apiVersion: API,
    kind: 'Host',
    metadata: { name: 'h1' },
    spec: {},
    status: {
      ...{ state: 'Online', incarnation: 1, inventoryAt: at, lxc: '5.0.2' },
      cpu: { count: 64, virtualization: 'none', accelerator: 'simulated', flags: [] },
      allocatable: { cpu: 2_000, memory: '4096Gi' },
      conditions: [condition('AgentReady'), condition('Ready')],
    },
  };
}

function renew(api: ReturnType<typeof createMemoryClient>, now: number): void {
  const spec = { holderIdentity: 'h1', renewTime: new Date(now).toISOString() };
  const metadata = { name: hostLeaseName('h1'), namespace: SYSTEM_NAMESPACE };
  api.seed(Lease, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
}
