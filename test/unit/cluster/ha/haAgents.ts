/**
 * What keeper and agent do on each machine of the manager's lab: they renew the Lease, kill what they guard when nobody hears them, start what they
 * are told, hand over what moves, and report. Whatever runs twice is written down.
 */
import { hostLeaseName, keeperLeaseName, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { Lease } from '../../../../src/api/core.ts';
import { strategyOf } from '../../../../src/api/guest.ts';
import { isProtected } from '../../../../src/api/ha.ts';
import { DEFAULT_HA_TIMINGS } from '../../../../src/api/haTimings.ts';
import { writeStatement } from '../../../../src/api/keeperLease.ts';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import type { Clock } from '../../../../src/base/clock.ts';
import type { MemoryClient } from '../../../../src/client/memory.ts';
import type { Machine, Machines } from './haMachines.ts';

const TICK_MS = 500;

type AgentsOptions = {
  api: Pick<MemoryClient, 'state' | 'seed'>;
  clock: Clock;
  all: Machines;
  /** Hosts whose switch port is down. */
  down: ReadonlySet<string>;
};

export function createAgents({ api, clock, all, down }: AgentsOptions) {
  const { machines, bootOf } = all;
  const twice: string[] = [];
  /** Guests of which agents say whether they run, and the hosts on which they do not start. */
  const failsOn = new Map<string, ReadonlySet<string>>();
  /** Guests whose moves fail, and hosts that start guests without waiting for the choice of the manager. */
  const failsToMove = new Set<string>();
  const impatient = new Set<string>();
  /** What hosts measure of guests. */
  const loads = new Map<string, { cpu: number; memory: string }>();
  const policy = () => api.state.get(ClusterPolicy, 'default') as Stored<ClusterPolicy> | undefined;
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

  return { twice, failsOn, failsToMove, impatient, loads, live };
}
