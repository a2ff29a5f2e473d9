/**
 * The way down of a host: announced first, then guests leave where that is the policy, the rest is shut down, what they have written to shared storage is
 * written out, the life ends with its keeper, and only then it is said that nothing of it runs. Whatever is cut short on the way leaves a host that is
 * lost like any other.
 */

import { strategyOf } from '../api/guest.ts';
import type { ClusterPolicySpec } from '../api/kinds/clusterPolicy.ts';
import type { Stored } from '../api/meta.ts';
import { timeOf } from '../base/clock.ts';
import type { World } from '../base/world.ts';
import type { Guarding } from './guarding.ts';
import type { GuestObject } from './guests/kind.ts';
import type { Ending, EndKind } from './host/ending.ts';
import type { Presence } from './host/presence.ts';
import type { HostReporter } from './host/report.ts';
import type { Jobs } from './jobs/beside.ts';
import type { AgentDrivers } from './options.ts';
import type { GuestRecord } from './record.ts';
import type { Records } from './records.ts';
import type { Turns } from './turns.ts';
import { isWrittenOut } from './writeOut.ts';

/** What the controllers of guests give. */
export type LeavingGuests = {
  object(record: GuestRecord): Stored<GuestObject> | undefined;
  wake(record: GuestRecord): void;
  turns: Turns;
  jobs: Pick<Jobs, 'isBusy'>;
};

export type LeavingDeps = LeavingGuests & {
  world: Pick<World, 'clock' | 'log'>;
  drivers: Pick<AgentDrivers, 'machines' | 'containers' | 'writeOutShared'>;
  records: Records;
  presence: Pick<Presence, 'isRunning'>;
  reporter: Pick<HostReporter, 'publish' | 'known'>;
  ending: Ending;
  guarding: Pick<Guarding, 'needs' | 'retire'>;
  policy(): ClusterPolicySpec | undefined;
  signal: AbortSignal;
};

const SAY_MS = 15_000;
const LEAVE_MS = 300_000;
/** The manager has begun to empty the host by then, or will not. */
const BEGIN_MS = 15_000;
const LOOK_MS = 500;
const TURN_MS = 5_000;
/** More than its own time to shut down, until a guest is killed and seen to be off. */
const SLACK_MS = 30_000;
/** So long those that others depend on run on; then all are shut down side by side, and have the time that is left. */
const ORDER_MS = 300_000;
/** All of it stays within the TimeoutStopSec of the unit. */
const MOST_MS = 540_000;
/** Storage that takes longer is taken for dead. */
const WRITE_OUT_MS = 60_000;

/** Resolves when all is done that can be; never rejects. */
export function createLeaving(deps: LeavingDeps): (kind: EndKind) => Promise<void> {
  const { clock, log } = deps.world;
  return async (kind) => {
    log.info('the host goes down: its guests end in order', { kind });
    deps.ending.announce(kind);
    try {
      await say(deps);
      if (courseOf(deps) === 'Migrate') await untilLeft(deps);
      await noteManual(deps, clock.now());
      const left = await untilOff(deps);
      if (left.length > 0) {
        log.error('guests are not off: nobody may start them elsewhere before this host is fenced', { left });
        return;
      }
      if (!(await isWrittenOut(deps.drivers.writeOutShared, clock, WRITE_OUT_MS, deps.signal))) {
        log.error('shared storage does not take what guests have written: this host counts as lost');
        return;
      }
      const life = await deps.guarding.retire();
      if (life === undefined) return;
      deps.ending.stopped(life);
      if (await say(deps)) log.info('nothing of this life of the host runs any more', life);
    } catch (error) {
      log.warn('the end of this host is not said: it counts as lost', { message: String(error) });
    }
  };
}

/** False when the API server does not take it. */
async function say({ world: { clock, log }, reporter, signal }: LeavingDeps): Promise<boolean> {
  const limit = new AbortController();
  const cancel = clock.after(SAY_MS, () => limit.abort(new Error('the API server does not take it')));
  try {
    await reporter.publish(AbortSignal.any([signal, limit.signal]));
    return true;
  } catch (error) {
    log.warn('the cluster does not know that this host goes down', { message: String(error) });
    return false;
  } finally {
    cancel();
  }
}

function courseOf({ reporter, policy }: LeavingDeps): string {
  return reporter.known()?.spec.shutdownPolicy ?? policy()?.shutdownPolicy ?? 'Conditional';
}

/** The manager moves them as in a maintenance, and says of each how it stands. */
async function untilLeft({
  world: { clock },
  records,
  presence,
  reporter,
  signal,
}: LeavingDeps): Promise<void> {
  const begun = clock.monotonic();
  const lastedMs = () => clock.monotonic() - begun;
  while (lastedMs() < LEAVE_MS) {
    if (!records.all().some(({ id }) => presence.isRunning(id))) return;
    const listed = reporter.known()?.status?.maintenance?.guests ?? [];
    const isGoingOn = listed.some(({ state }) => state !== 'Blocked' && state !== 'Left');
    if (!isGoingOn && lastedMs() > BEGIN_MS) return;
    await clock.sleep(LOOK_MS, signal);
  }
}

/** By the table of run strategies: after the end of its host a guest under Manual is off until somebody starts it. */
async function noteManual({ records, object, guarding }: LeavingDeps, now: number): Promise<void> {
  const at = timeOf(now);
  for (const { id, ...record } of records.all()) {
    const guest = object({ id, ...record });
    // One with ha is the manager's to start, here or elsewhere.
    if (guest === undefined || strategyOf(guest.spec) !== 'Manual' || guarding.needs(guest)) continue;
    await records.update(id, (before) => {
      if (before === undefined) throw new Error(`the record of ${id} has gone`);
      return { ...before, run: { ...before.run, request: { action: 'Stop', by: 'host-reboot', at } } };
    });
  }
}

/** Resolves with what is still there when all of it has had its time; empty: nothing runs, and nothing is at work on what guests have. */
async function untilOff(deps: LeavingDeps): Promise<string[]> {
  const { world, records, presence, ending, wake, signal } = deps;
  const { clock } = world;
  const begun = clock.monotonic();
  const lastedMs = () => clock.monotonic() - begun;
  let until = 0;
  let before: string | undefined;
  let isInOrder = true;
  for (;;) {
    const running = records.all().filter(({ id }) => presence.isRunning(id));
    if (lastedMs() > ORDER_MS) isInOrder = false;
    const needed = isInOrder ? neededBy(running, deps) : new Set<string>();
    ending.holdOff(needed);
    const [off, names] = [running.filter(({ id }) => !needed.has(id)), [...needed].sort().join()];
    // Whoever is held off anew has the whole of its time.
    if (names !== before) until = Math.min(MOST_MS, lastedMs() + patience(off, deps));
    before = names;
    for (const record of records.all()) wake(record);
    const left = await remaining(deps);
    if (left.length === 0 || (lastedMs() > until && needed.size === 0)) return left;
    if (lastedMs() > until) isInOrder = false;
    await clock.sleep(LOOK_MS, signal);
  }
}

/** Ids of those on which others of them depend: they go down after those. A circle has no order. */
function neededBy(running: readonly GuestRecord[], { object }: Pick<LeavingDeps, 'object'>): Set<string> {
  const byName = new Map(
    running.map((record) => [`${record.kind}/${record.namespace}/${record.name}`, record]),
  );
  const needs = new Map(
    running.map((record) => [
      record.id,
      (object(record)?.spec.dependsOn ?? []).flatMap(
        ({ kind, name }) => byName.get(`${kind}/${record.namespace}/${name}`)?.id ?? [],
      ),
    ]),
  );
  const needed = new Set([...needs.values()].flat());
  const isFree = running.some(({ id }) => !needed.has(id));
  return isFree ? needed : new Set();
}

/** Until all of these have had their time to shut down, and were killed, ms. */
function patience(running: readonly GuestRecord[], { object }: Pick<LeavingDeps, 'object'>): number {
  const times = running.map((record) => (object(record)?.spec.shutdown?.timeoutSeconds ?? 60) * 1_000);
  return Math.max(0, ...times) + SLACK_MS;
}

async function remaining({ world, drivers, records, turns, jobs, signal }: LeavingDeps): Promise<string[]> {
  // What began before guests were held off ends first: a start that was through its gate shows itself after its turn.
  const turned = Promise.all(records.all().map(({ id }) => turns.take(id, async () => true)));
  const late = world.clock.sleep(TURN_MS, signal).then(() => undefined);
  if ((await Promise.race([turned, late])) === undefined) return ['work on a guest that does not end'];
  const found = await Promise.all([drivers.machines.discover(), drivers.containers.discover()]);
  const nameOf = (id: string) => {
    const record = records.get(id);
    return record === undefined ? `the unrecorded guest ${id}` : `${record.namespace}/${record.name}`;
  };
  const atWork = records
    .all()
    // Of a guest whose object is gone nobody goes on: what was begun with its disks waits here, and is no work.
    .filter(
      ({ lock, incoming, outgoing, orphaned }) =>
        (orphaned === true ? undefined : lock) ?? incoming ?? outgoing,
    )
    .map(({ id }) => `work on ${nameOf(id)}`);
  return [...found.flat().map(nameOf), ...atWork, ...(jobs.isBusy() ? ['work on volumes'] : [])];
}
