/** Runs one scenario: the real engine and the real keeper's rules in the model, from its beginning to its end. Deterministic for a file and a seed. */
import { parseDuration } from '../../base/duration.ts';
import type { HostRecord } from '../../cluster/ha/model.ts';
import { guardKey } from '../../cluster/ha/model.ts';
import { addHost, type Cluster, createCluster, type Flaw } from './cluster.ts';
import { unmet } from './expect.ts';
import type { Violation } from './invariants/contract.ts';
import { isSettled } from './invariants/shared.ts';
import type { FenceLine, MoveLine, RecoveryLine, TraceLine } from './results.ts';
import { type ScenarioFile, toGuestSpec, toHostSpec, toPolicySpec, toRule } from './scenario.ts';
import { seeded } from './seed.ts';
import { happen } from './timeline.ts';

export type EndState = {
  at: number;
  leader: string | null;
  quorate: boolean;
  hosts: Record<string, { state: string; power: string; network: string }>;
  guests: Record<
    string,
    {
      host: string | null;
      state: string;
      running: boolean;
      epoch: number;
      moves: number;
      reason?: string;
      refusal?: string;
    }
  >;
};

export type Report = {
  scenario: string;
  seed: number;
  ok: boolean;
  violations: readonly Violation[];
  /** What `expect` asked for and is not so. */
  unmet: readonly string[];
  end: EndState;
  fences: readonly FenceLine[];
  recoveries: readonly RecoveryLine[];
  moves: readonly MoveLine[];
  trace: readonly TraceLine[];
};

export type RunOptions = {
  name: string;
  seed: number;
  flaw?: Flaw;
  stopAtViolation?: boolean;
  /** The end comes early when the timeline is over, all is as it should be, and has been for a while. */
  endsSettled?: boolean;
};

const DEFAULT_UNTIL = '600s';
/** No copy of the API is older: a host of which something is stored has renewed its Lease before. */
const ALL_SEEN_MS = 5_000;

export function runScenario(
  file: ScenarioFile,
  { name, seed, flaw, stopAtViolation = false, endsSettled = false }: RunOptions,
): Report {
  const state = { policy: { ...(file.policy ?? {}) } };
  const cluster = createCluster(seeded(seed), toPolicySpec(state.policy), flaw);
  cluster.setGroups(file.groups ?? []);
  cluster.setRules((file.rules ?? []).map(toRule));
  cluster.storages.set(file.storages ?? []);
  begin(file, cluster);
  for (const entry of (file.timeline ?? []).filter(({ do: what }) => what === 'RollBack'))
    cluster.schedule.after(
      Math.max(ALL_SEEN_MS, parseDuration(entry.at) - parseDuration(entry.by ?? '0s')),
      () => cluster.backups.set(entry, cluster.api.backUp()),
    );
  for (const entry of file.timeline ?? [])
    cluster.schedule.after(parseDuration(entry.at), () => happen(entry, cluster, state));
  const settled = endsSettled ? watchSettled(file, cluster) : () => false;
  const isOver = () => settled() || (stopAtViolation && cluster.invariants.violations.length > 0);
  cluster.schedule.run(parseDuration(file.until ?? DEFAULT_UNTIL), () => !isOver());
  cluster.invariants.atEnd();
  const end = endOf(cluster);
  const { violations } = cluster.invariants;
  const { fences, recoveries, moves, lines } = cluster.results;
  const missing = unmet(file.expect, { end, fences, recoveries, trace: lines });
  return {
    scenario: name,
    seed,
    ok: violations.length === 0 && missing.length === 0,
    violations,
    unmet: missing,
    end,
    fences,
    recoveries,
    moves,
    trace: lines,
  };
}

const LOOK_EVERY_MS = 5_000;
const LOOKS = 4;

/** Whether the timeline is over and all has been as it should be for some looks in a row, with nothing decided between them. */
function watchSettled(file: ScenarioFile, cluster: Cluster): () => boolean {
  const last = Math.max(0, ...(file.timeline ?? []).map(({ at }) => parseDuration(at)));
  let looks = 0;
  let seen = 0;
  const look = (): void => {
    const happened = cluster.results.lines.length;
    looks = happened === seen && isSettled(cluster) ? looks + 1 : 0;
    seen = happened;
    cluster.schedule.after(LOOK_EVERY_MS, look);
  };
  cluster.schedule.after(last + LOOK_EVERY_MS, look);
  return () => looks >= LOOKS;
}

/** Hosts that run are there with their Leases; guests run where the file says, or are found there. */
function begin(file: ScenarioFile, cluster: Cluster): void {
  const { objects } = cluster.api;
  for (const given of file.hosts) {
    const spec = toHostSpec(given);
    objects.hostSpecs.set(given.name, spec);
    const watchdogMs = given.watchdog === 'none' ? undefined : parseDuration(given.watchdog ?? '10s');
    addHost(
      cluster,
      { name: given.name, watchdogMs, bootTakesMs: parseDuration(given.bootTakes ?? '30s') },
      spec.votes,
    );
  }
  const running = file.hosts.filter(({ power }) => power !== 'PoweredOff');
  const leader = file.leader ?? running.find(({ votes }) => votes !== 0)?.name;
  if (leader !== undefined)
    objects.leader = { version: cluster.api.version(), value: { holder: leader, renewals: 0 } };
  for (const given of file.hosts) {
    const host = cluster.host(given.name);
    if (host === undefined) continue;
    host.network = given.network ?? 'Connected';
    const life = { bootID: host.bootID(), term: 1 };
    const isRunning = given.power !== 'PoweredOff';
    if (isRunning) host.powerOn(true);
    else host.powerOff();
    cluster.api.putHost(given.name, firstRecord(given, isRunning, life));
    if (!isRunning && given.status?.state !== undefined) leaveLease(given.name, life, cluster);
  }
  for (const given of file.guests ?? []) placeGuest(given, cluster);
}

type Life = { bootID: string; term: number };

function firstRecord(given: ScenarioFile['hosts'][number], isRunning: boolean, life: Life): HostRecord {
  const state =
    given.status?.state ?? (isRunning ? (given.maintenance === true ? 'Maintenance' : 'Online') : 'Offline');
  const incident = { ...life, id: `${given.name}-0` };
  if (state === 'Fencing') return { state, life, incident };
  if (state === 'Fenced')
    return { state, life, incident, proof: { ...life, kind: 'PowerOff', incident: incident.id } };
  return isRunning || given.status?.state !== undefined ? { state, life } : { state };
}

/** The Lease that a host which is away by now has left. */
function leaveLease(host: string, life: Life, cluster: Cluster): void {
  const version = cluster.api.version();
  const { selfFenceAfter, killTime, freezeAfter, excuseAge, watchdogTimeout } = cluster.timings();
  const timings = { selfFenceAfter, killTime, freezeAfter, excuseAge, watchdogTimeout };
  const value = {
    host,
    ...life,
    sequence: 1,
    sentAt: 0,
    acknowledgedAt: 0,
    armed: true,
    pausable: false,
    timings,
    guarded: new Set<string>(),
    hears: [],
    version,
  };
  cluster.api.objects.leases.set(host, { version, value });
}

function placeGuest(given: NonNullable<ScenarioFile['guests']>[number], cluster: Cluster): void {
  const { name: id, ...file } = given;
  const spec = toGuestSpec(id, file);
  const uid = `${id}#0`;
  const at = file.status?.host ?? file.host;
  const host = at === undefined ? undefined : cluster.host(at);
  const isUp = host?.power() === 'Running';
  const isToRun = spec.state === 'Started';
  const running = file.running ?? (isUp && isToRun);
  const life =
    host === undefined ? undefined : { bootID: isUp ? host.bootID() : `${host.name}-boot0`, term: 1 };
  const wasThere =
    running || (isToRun && file.status?.state !== undefined) || file.status?.state !== undefined;
  const state =
    file.status?.state ?? (running ? (isToRun ? 'Started' : stateOff(spec.state)) : stateOff(spec.state));
  const placement =
    host === undefined || life === undefined || !(wasThere || isUp)
      ? undefined
      : { host: host.name, epoch: 1, ...life };
  if (running && host !== undefined && isUp) {
    host.processes.set(id, { guest: id, uid, epoch: 1, state: 'Running' });
    if (spec.state !== 'Ignored') host.keeper()?.guard(guardKey(uid, 1), () => {});
    host.agent()?.setReport(id, { epoch: 1, state: 'Running', failures: 0 });
  }
  const lease = host === undefined || isUp ? undefined : cluster.api.objects.leases.get(host.name);
  if (lease !== undefined && wasThere) {
    const guarded = new Set([...lease.value.guarded, guardKey(uid, 1)]);
    cluster.api.objects.leases.set(lease.value.host, { ...lease, value: { ...lease.value, guarded } });
  }
  const target = file.status?.target;
  cluster.api.putGuest(id, {
    spec,
    uid,
    record: {
      state,
      ...(placement === undefined ? {} : { placement }),
      ...(target === undefined ? {} : { target, move: { id: `${id}-before`, why: 'Person', to: target } }),
    },
  });
}

function stateOff(
  wanted: 'Started' | 'Stopped' | 'Disabled' | 'Ignored',
): 'Stopped' | 'Disabled' | 'Ignored' {
  return wanted === 'Started' ? 'Stopped' : wanted;
}

function endOf(cluster: Cluster): EndState {
  const { objects } = cluster.api;
  const leader = [...cluster.managers.values()].find((manager) => manager.leads());
  const hosts = [...cluster.hosts.values()].map((host) => [
    host.name,
    {
      state: objects.hosts.get(host.name)?.value.state ?? 'Offline',
      power: host.power(),
      network: host.network,
    },
  ]);
  const guests = [...objects.guests].map(([id, { value }]) => [
    id,
    {
      host: value.record.placement?.host ?? value.spec.host ?? null,
      state: value.record.state,
      running: [...cluster.hosts.values()].some((host) => host.executes(id)),
      epoch: value.record.placement?.epoch ?? 0,
      moves: cluster.results.moves.filter(({ guest, result }) => guest === id && result === 'Succeeded')
        .length,
      ...(value.record.reason === undefined ? {} : { reason: value.record.reason }),
      ...(value.record.refusal === undefined ? {} : { refusal: value.record.refusal }),
    },
  ]);
  return {
    at: cluster.schedule.now() / 1_000,
    leader: leader?.name ?? null,
    quorate: leader?.isQuorate() ?? false,
    hosts: Object.fromEntries(hosts),
    guests: Object.fromEntries(guests),
  };
}
