/** The model as a whole: hosts, wires between them, fence devices, managers and the API, with the counters that results are made from. */
import { DEFAULT_HA_TIMINGS, type HaTimings } from '../../api/haTimings.ts';
import type { Random } from '../../base/random.ts';
import type { Decision, EngineFlaw, Group, GuestRecord, View } from '../../cluster/ha/model.ts';
import { isSameLife } from '../../cluster/ha/model.ts';
import type { Observer } from '../../cluster/ha/observer.ts';
import type { KeeperFlaw, PeerAnswer } from '../../keeper/deadline.ts';
import {
  type Api,
  type Backup,
  createApi,
  type StoredFence,
  type StoredGuest,
  type Versioned,
} from './api.ts';
import { createFencing } from './fencing.ts';
import { createGroupRules } from './groupRules.ts';
import { createHost, type SimHost } from './host.ts';
import { createInvariants, type Invariants } from './invariants/all.ts';
import { createManager, type SimManager } from './manager.ts';
import { createLedgerOfResults, type Results } from './results.ts';
import type { Entry, GroupSpec, GuestSpec, PolicySpec, Rule } from './scenario.ts';
import { createSchedule, type Schedule } from './schedule.ts';
import { createStorages, type Storages } from './storages.ts';

/** Ways to break the agents of the model that the random tests must notice. */
export type AgentFlaw = 'EpochUnchecked' | 'StartsUnlisted' | 'MovesTwice' | 'LiftsInAnyBoot';
/** Ways to break what stands between the engine and the API. */
export type ManagerFlaw = 'VersionUnchecked' | 'LooksRarely' | 'RestoreUnnoticed';
/** One broken part at most, for the tests that must notice it. `sees`, `says`: what the engine is shown, or decides, is changed on its way. */
export type Flaw = {
  engine?: EngineFlaw;
  keeper?: KeeperFlaw;
  agent?: AgentFlaw;
  manager?: ManagerFlaw;
  sees?: (view: View) => View;
  says?: (decisions: Decision[], view: View) => Decision[];
};

export type Cluster = {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly api: Api;
  readonly hosts: Map<string, SimHost>;
  readonly managers: Map<string, SimManager>;
  readonly invariants: Invariants;
  readonly results: Results;
  readonly flaw: Flaw;
  readonly storages: Storages;
  /** Cuts between two hosts, as `from>to`. */
  readonly cuts: Set<string>;
  /** Copies of the store for the entries of the timeline that bring one back. */
  readonly backups: Map<Entry, Backup>;
  host(name: string): SimHost | undefined;
  reaches(from: string, to: string): boolean;
  /** A question of one keeper to another; undefined: no answer. */
  ask(from: string, to: string, answer: (answer: PeerAnswer | undefined) => void): void;
  timings(): HaTimings;
  votes(): ReadonlyMap<string, number>;
  witnesses(): ReadonlyMap<string, number>;
  groups(): ReadonlyMap<string, Group>;
  rules(): readonly Rule[];
  setGroups(groups: readonly GroupSpec[]): void;
  setRules(rules: readonly Rule[]): void;
  limits(spec: GuestSpec): { maxRestart: number; maxRelocate: number; failback: boolean };
  shutdownPolicy(host: string): string;
  startFails(guest: string, host: string): boolean;
  moveFails(guest: string, to: string): boolean;
  trace(
    actor: string,
    event: string,
    object: string,
    detail?: { from?: string; to?: string; reason?: string },
  ): void;
  started(guest: string, host: SimHost, stored: StoredGuest): void;
  /** The host's Lease has been renewed in the API. */
  renewed(host: string): void;
  /** Hosts whose Lease was renewed so recently that any manager may still count them. */
  renewedWithin(ms: number): Set<string>;
  /** The hosts that a leader does not hear any more, for the others to ask. */
  noteSilent(observer: Observer, now: number): void;
  hostDecided(decision: Extract<Decision, { type: 'Host' }>): void;
  guestDecided(
    decision: Extract<Decision, { type: 'Guest' }>,
    before: Versioned<StoredGuest>,
    manager: string,
  ): void;
  unlocked(next: StoredGuest, before: GuestRecord): StoredGuest;
  fenceAsked(id: string): void;
  moveBegan(move: string, guest: string, isLive: boolean, from: string, to: string): void;
  moveEnded(move: string, result: 'Succeeded' | 'Failed'): void;
  booted(host: SimHost): void;
  orderlyEnd(host: SimHost, kind: 'Reboot' | 'PowerOff'): void;
  managerCrashed(manager: string): void;
};

/** A silent host is asked by its neighbours before it is suspect. */
const ASK_SILENT_MS = 2_500;
const WIRE_MS = 2;
const WATCH_MS = 15;

export function createCluster(random: Random, policy: PolicySpec, flaw: Flaw = {}): Cluster {
  const schedule = createSchedule();
  const hosts = new Map<string, SimHost>();
  const managers = new Map<string, SimManager>();
  const cuts = new Set<string>();
  let groups: ReadonlyMap<string, GroupSpec> = new Map();
  let engineGroups: ReadonlyMap<string, Group> = new Map();
  let rules: readonly Rule[] = [];
  const withGroups = createGroupRules();
  const renewals = new Map<string, number>();
  const failed = new Map<string, number>();
  const failedMoves = new Map<string, number>();
  const isOn = (name: string): boolean => hosts.get(name)?.network !== 'Cut';
  const reaches = (from: string, to: string): boolean => isOn(from) && isOn(to) && !cuts.has(`${from}>${to}`);
  const reachesApi = (name: string, way: 'there' | 'back'): boolean => {
    const host = hosts.get(name);
    if (host === undefined) return true;
    const isCut = cuts.has(way === 'there' ? `${name}>api` : `api>${name}`);
    return host.network === 'Connected' && !host.controlPlaneCut && !isCut;
  };
  const api = createApi(schedule, reachesApi, policy);
  const results = createLedgerOfResults(schedule);

  const cluster: Cluster = {
    schedule,
    random,
    api,
    hosts,
    managers,
    results,
    ...{ invariants: undefined as never, storages: undefined as never },
    flaw,
    cuts,
    backups: new Map(),
    host: (name) => hosts.get(name),
    reaches,
    ask: (from, to, answer) => {
      if (!reaches(from, to)) return answer(undefined);
      schedule.after(WIRE_MS, () => {
        const peer = hosts.get(to);
        if (peer === undefined || peer.isPaused() || peer.power() !== 'Running') return;
        const given = peer.keeper()?.answer(from);
        schedule.after(WIRE_MS, () => {
          if (given !== undefined && reaches(to, from)) hosts.get(from)?.deliver(() => answer(given));
        });
      });
    },
    timings: () => api.objects.policy.timings ?? DEFAULT_HA_TIMINGS,
    votes: () => new Map([...api.objects.hostSpecs].map(([name, { votes }]) => [name, votes])),
    witnesses: () =>
      new Map(
        [...api.objects.hostSpecs].flatMap(([name, { votes, witness }]) =>
          witness === true ? [[name, votes] as const] : [],
        ),
      ),
    groups: () => engineGroups,
    rules: () => withGroups(rules, groups, api.objects.guests),
    setGroups: (given) => {
      groups = new Map(given.map((group) => [group.name, group]));
      engineGroups = new Map(given.map((group) => [group.name, toGroup(group)]));
    },
    setRules: (given) => {
      rules = given;
    },
    limits: ({ group, maxRestart, maxRelocate, failback }) => {
      const own = group === undefined ? undefined : groups.get(group);
      return {
        maxRestart: maxRestart ?? own?.maxRestart ?? 1,
        maxRelocate: maxRelocate ?? own?.maxRelocate ?? 1,
        failback: failback ?? own?.failback ?? true,
      };
    },
    shutdownPolicy: (name) => {
      const chosen = api.objects.hostSpecs.get(name)?.shutdownPolicy ?? api.objects.policy.shutdownPolicy;
      return chosen ?? 'Conditional';
    },
    startFails: (guest, host) => {
      const spec = api.objects.guests.get(guest)?.value.spec;
      const isThere = spec?.startFailsOn === undefined || spec.startFailsOn.includes(host);
      if (spec === undefined) return false;
      if (hosts.get(host)?.storage === 'Cut' || cluster.storages.isTakenFrom(host, guest)) return true;
      if (!isThere) return false;
      if (spec.startFailures === undefined) return spec.startFailsOn !== undefined;
      return countTo(failed, guest, spec.startFailures);
    },
    moveFails: (guest, to) =>
      hosts.get(to)?.storage === 'Cut' ||
      countTo(failedMoves, guest, api.objects.guests.get(guest)?.value.spec.migrateFails ?? 0),
    trace: results.trace,
    started: (guest, host, stored) => {
      results.started(guest, host.name, stored);
      cluster.invariants.executing(host, guest);
    },
    renewed: (host) => renewals.set(host, schedule.now()),
    renewedWithin: (ms) =>
      new Set([...renewals].filter(([, at]) => schedule.now() - at <= ms).map(([name]) => name)),
    noteSilent: (observer, now) => {
      api.objects.silent = [...hosts.keys()].filter((name) => observer.silentFor(name, now) >= ASK_SILENT_MS);
    },
    hostDecided: (decision) => {
      const stored = api.objects.hosts.get(decision.host);
      const before = stored?.value;
      results.trace('manager', decision.record.state, decision.host, {
        ...(before === undefined ? {} : { from: before.state }),
        to: decision.record.state,
        reason: decision.reason,
      });
      results.hostDecided(decision, before);
      cluster.invariants.hostDecided(decision, stored);
    },
    guestDecided: (decision, before, manager) => {
      const { placement, state } = decision.record;
      results.trace(manager, state, decision.guest, {
        from: before.value.record.state,
        ...(placement === undefined ? {} : { to: placement.host }),
        reason: decision.reason,
      });
      results.guestDecided(decision, before.value);
      cluster.invariants.guestDecided(decision, before);
    },
    unlocked: (next, before) => {
      const { lock } = next.spec;
      const isRecovery = before.state === 'Recovering' && next.record.state === 'Starting';
      if (!isRecovery || (lock !== 'Backup' && lock !== 'Migrate')) return next;
      const { lock: _lock, ...spec } = next.spec;
      return { ...next, spec };
    },
    fenceAsked: (id) => {
      cluster.invariants.fenceAsked(id);
      fencing.execute(id);
    },
    moveBegan: (move, guest, isLive, from, to) => {
      cluster.invariants.moveBegan(move, guest, from);
      results.moveBegan(move, guest, isLive, from, to);
    },
    moveEnded: results.moveEnded,
    booted: (host) => {
      results.trace(host.name, 'Booted', host.name);
      managers.get(host.name)?.begin();
    },
    orderlyEnd: (host, kind) => {
      results.trace(host.name, 'OrderlyEnd', host.name, { reason: kind });
      managers.get(host.name)?.stop();
      host.powerOff();
      if (kind === 'Reboot') host.powerOn();
    },
    managerCrashed: (manager) => {
      results.trace(manager, 'Crashed', 'manager');
      schedule.after(0, () => {
        const replica = managers.get(manager);
        if (hosts.get(manager)?.power() === 'Running') replica?.begin();
      });
    },
  };
  const fencing = createFencing(cluster);
  Object.assign(cluster, { invariants: createInvariants(cluster), storages: createStorages(cluster) });

  // What the API shows reaches whom it concerns by their watches.
  api.onGuest((id, stored) => {
    const { placement, target } = stored?.record ?? {};
    for (const host of hosts.values()) {
      const concerns = host.name === placement?.host || host.name === target || host.processes.has(id);
      if (concerns && reachesApi(host.name, 'back')) host.after(WATCH_MS, () => host.agent()?.sync());
    }
  });
  api.onHost((name, before, after) => {
    const isProven = (record = after) => record.state === 'Fenced' && record.proof !== undefined;
    if (isProven() && !isProven(before)) fencing.powerOnAgain(name);
  });
  return cluster;
}

/** Adds a machine with its manager, switched off. */
export function addHost(cluster: Cluster, options: Parameters<typeof createHost>[1], votes: number): SimHost {
  const host = createHost(cluster, options);
  cluster.hosts.set(host.name, host);
  if (votes > 0) cluster.managers.set(host.name, createManager(host, cluster));
  return host;
}

function toGroup({ name, hosts, restricted }: GroupSpec): Group {
  return {
    name,
    restricted: restricted ?? false,
    hosts: (hosts ?? []).map((host) => ({ name: host.name, priority: host.priority ?? 0 })),
  };
}

function countTo(counts: Map<string, number>, key: string, limit: number): boolean {
  const count = counts.get(key) ?? 0;
  if (count >= limit) return false;
  counts.set(key, count + 1);
  return true;
}

export type { StoredFence };
export { isSameLife };
