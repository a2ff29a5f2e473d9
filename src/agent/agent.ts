/**
 * The agent of one host: makes this host match the guests, pools and images that the cluster wants here, and reports what it is. Guests do
 * not belong to it: it may be stopped, upgraded or killed, and finds them again by their records.
 */

import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../api/cluster.ts';
import { ConfigMap } from '../api/core.ts';
import { CLUSTER_POLICY, ClusterPolicy } from '../api/kinds/clusterPolicy.ts';
import { Host, type HostStatus } from '../api/kinds/host.ts';
import type { Stored } from '../api/meta.ts';
import type { World } from '../base/world.ts';
import type { Manager } from '../runtime/contract.ts';
import type { ControlPlane } from './cluster/controlPlane.ts';
import { connectControllers } from './controllers.ts';
import type { Guarding } from './guarding.ts';
import { createEnding, type EndKind } from './host/ending.ts';
import type { HostFacts } from './host/facts.ts';
import { createHostLease } from './host/lease.ts';
import { createLoads } from './host/loads.ts';
import { registerHost } from './host/register.ts';
import { createHostReporter, type HostReporter } from './host/report.ts';
import { openIdRanges } from './idRanges.ts';
import { createLeaving } from './leaving.ts';
import { describeHost, remember } from './memory.ts';
import type { AgentOptions } from './options.ts';
import { createListening } from './peers/listening.ts';
import type { Records } from './records.ts';
import { connectWitness } from './witness.ts';

export type { AgentDrivers, AgentOptions } from './options.ts';

/** So long after its start the agent repeats what it has said before of things it has not looked at yet. */
const BEGINNING_MS = 5_000;

export type Agent = {
  /** Resolves when the Host is registered and its inventory is acknowledged. */
  readonly registered: Promise<void>;
  /** Runs until the signal; guests run on. Rejects when its memory on disk cannot be read. */
  run(signal: AbortSignal): Promise<void>;
  /** The host goes down: resolves when its guests are off and that is said, or it is certain that it cannot be. Then the agent may end. */
  leave(kind: EndKind): Promise<void>;
};

type Hands = { registered(): void; leaves(leave: Agent['leave']): void };

export function createAgent(options: AgentOptions): Agent {
  let markRegistered = () => {};
  // Before it has begun to look after guests there is nothing to end in order.
  let leave: Agent['leave'] = async () => {};
  const registered = new Promise<void>((resolve) => {
    markRegistered = resolve;
  });
  const hands: Hands = {
    registered: () => markRegistered(),
    leaves: (found) => {
      leave = found;
    },
  };
  return { registered, run: (signal) => run(options, hands, signal), leave: (kind) => leave(kind) };
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function run(options: AgentOptions, hands: Hands, given: AbortSignal): Promise<void> {
  const { client, leaseClient, manager, world, host, stateDirectory, drivers, identity } = options;
  const memory = await remember(options);
  const { records, controlPlane, facts, presence, stock } = memory;
  const idRanges = await openIdRanges(world.files, stateDirectory);
  for (const { idBase } of records.all()) if (idBase !== undefined) idRanges.hold(idBase);

  // One part that fails ends the others: an agent is whole or it is not there.
  const failure = new AbortController();
  const signal = AbortSignal.any([given, failure.signal]);
  // Every request and wait of this agent hears it: many listeners are no leak.
  setMaxListeners(0, signal);
  const lease = createHostLease({
    client: leaseClient,
    clock: world.clock,
    log: world.log,
    host,
    identity: identityOf(host, facts, stateDirectory),
  });
  const policy = () => manager.informers.informer(ClusterPolicy).get(CLUSTER_POLICY)?.spec;
  const loads = createLoads({
    ...{ clock: world.clock, log: world.log, usage: options.witness === true ? undefined : drivers.usage },
    isWanted: () => policy()?.rebalancing?.by === 'Load',
    running: () =>
      [...records.all(), ...records.coming()].flatMap(({ id }) => (presence.isRunning(id) ? [id] : [])),
  });
  const listening = createListening(options.witness === true ? undefined : options.peers, world);
  let started = false;
  let guarding: Guarding | undefined;
  const begun = world.clock.monotonic();
  const ending = createEnding({
    bootID: facts.bootID,
    known: () => reporter.known()?.status,
    now: world.clock.now,
  });
  const reporter: HostReporter = createHostReporter({
    client,
    clock: world.clock,
    random: world.random,
    log: world.log,
    host,
    mayWrite: lease.isValid,
    describe: (object) => {
      const beginning = world.clock.monotonic() - begun < BEGINNING_MS;
      const keeper = guarding?.last();
      const shutdown = (before: HostStatus) =>
        ending.field(before, { bootID: facts.bootID, life: keeper?.life });
      const stage = {
        started,
        beginning,
        shutdown,
        loadOf: loads.of,
        ...(keeper === undefined ? {} : { keeper }),
        peers: listening.place(),
      };
      return describeHost(options, memory, stage, object);
    },
  });
  watchCluster(manager, controlPlane, world);
  forgetWithRestore(controlPlane, records);
  watchHost(manager, host, reporter.observe);
  const connect = options.witness === true ? connectWitness : connectControllers;
  const controllers = connect({ ...options, ...memory, lease, reporter, ending, idRanges, signal });
  guarding = controllers.guarding;
  hands.leaves(
    createLeaving({
      ...{ world, drivers, records, presence, reporter, ending, guarding, signal },
      policy,
      ...controllers.guests,
    }),
  );
  guarding.changed.listen(() => reporter.touch());
  listening.changed.listen(() => reporter.touch());
  for (const part of [records, presence, loads, memory.pools, memory.images, controlPlane, ending]) {
    part.changed.listen(() => reporter.touch());
  }

  const settled = world.clock.after(BEGINNING_MS, reporter.touch);
  signal.addEventListener('abort', settled, { once: true });

  const act = async (): Promise<void> => {
    // Until the lease is held another agent may be the one that acts for this host: not one write before.
    await Promise.race([lease.held, whenAborted(signal)]);
    if (signal.aborted) return;
    await controllers.begin();
    const settling = controllers.lookAfterStrays(signal, () => {
      started = true;
      reporter.touch();
    });
    await Promise.all([
      register(options, reporter, hands.registered, signal),
      stock.run(signal, reporter.touch),
      loads.run(signal),
      identity?.run(signal),
      listening.run(signal),
      manager.run(signal),
      controllers.guarding.run(signal),
      settling,
    ]);
  };
  const parts = [lease.run(signal), act()];
  try {
    await Promise.all(parts);
  } catch (error) {
    if (!given.aborted) throw error;
  } finally {
    failure.abort(new Error('the agent ends'));
    await Promise.allSettled(parts);
    await controllers.close();
    await Promise.all([drivers.machines.close(), drivers.containers.close()]);
  }
}

/** The same for the same agent after a restart, another for an agent elsewhere that was given the same host name. */
function identityOf(host: string, { machineID, bootID }: HostFacts, stateDirectory: string): string {
  const text = `${machineID ?? bootID ?? ''} ${stateDirectory}`;
  return `${host}_${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}

/** The control plane proves itself by its ConfigMap; what cannot be written down is not believed. */
function watchCluster({ informers }: Manager, controlPlane: ControlPlane, { log }: World): void {
  const informer = informers.informer(ConfigMap, {
    namespace: SYSTEM_NAMESPACE,
    fieldSelector: `metadata.name=${CLUSTER_CONFIG_MAP}`,
  });
  let line: Promise<void> = Promise.resolve();
  informer.onChange(({ after }) => {
    line = line
      .then(() => controlPlane.accept(after?.data))
      .catch((error: unknown) =>
        log.error('the incarnation could not be written down', { message: String(error) }),
      );
  });
}

/** What left this host before the API was restored may be placed here again: then other hosts are asked, not the watch mistrusted. */
function forgetWithRestore(controlPlane: ControlPlane, records: Pick<Records, 'forgetLeft'>): void {
  let known = controlPlane.restored();
  controlPlane.changed.listen(() => {
    if (controlPlane.restored() > known) records.forgetLeft();
    known = controlPlane.restored();
  });
}

function watchHost({ informers }: Manager, host: string, seen: (host: Stored<Host>) => void): void {
  const informer = informers.informer(Host, { fieldSelector: `metadata.name=${host}` });
  informer.onChange(({ after }) => {
    if (after !== undefined) seen(after);
  });
}

/** The Host exists, its inventory is acknowledged: only then may the cluster count on this host. Then reports go on. */
async function register(
  { client, host, world }: AgentOptions,
  reporter: HostReporter,
  markRegistered: () => void,
  signal: AbortSignal,
): Promise<void> {
  reporter.observe(await registerHost(client, host, world, signal));
  const reporting = reporter.run(signal);
  await reporter.publish(signal);
  markRegistered();
  await reporting;
}
