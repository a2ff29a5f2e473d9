/** Liveness, once nothing happens any more: what should run runs or says why (L1), and what was begun has come to an end (L3, L4, L5, L7). */
import type { StoredGuest } from '../api.ts';
import type { Cluster } from '../cluster.ts';
import type { Violate, Watch } from './contract.ts';
import { isWhole } from './shared.ts';

/** By then every start, stop, move and fence has come to an end, whatever failed. */
const ENOUGH_MS = 90_000;
const FENCE_MS = 30_000;
/** What several hosts have become at once is seen in one round after the other. */
const ROUNDS_MS = 1_000;
const UNDER_WAY = new Set(['Starting', 'Stopping', 'Migrating', 'Relocating']);

export function watchEnds(cluster: Cluster, violate: Violate): Watch {
  const { objects } = cluster.api;
  const now = () => cluster.schedule.now();
  let lastEvent = 0;
  /** Times are counted anew where there was no majority before a host came back. */
  let lastHost = 0;
  /** A host that comes back late, a guest that is started late, or a command that is taken late, is the last reason to move. */
  let lastReason = 0;
  const changed = new Map<string, number>();
  const since = (object: string): number => now() - Math.max(lastEvent, lastHost, changed.get(object) ?? 0);
  /** Somebody can act, and has had the time. */
  const isDue = (object: string, ms = ENOUGH_MS): boolean => since(object) >= ms && isWhole(cluster);

  const runs = (id: string, { record, spec }: StoredGuest): void => {
    if (spec.state !== 'Started' || record.state === 'Error' || record.reason !== undefined) return;
    const host = record.placement === undefined ? undefined : cluster.host(record.placement.host);
    // What has just begun to start, because a host came back late, is judged by when that ends.
    const isUnderWay = UNDER_WAY.has(record.state) && !isDue(id);
    if (host?.executes(id) === true || record.state === 'Frozen' || isUnderWay || !isWhole(cluster)) return;
    violate('L1', `${id} does not run and nothing says why (${record.state} on ${record.placement?.host})`);
  };

  const ends = (id: string, { record, spec }: StoredGuest): void => {
    // Nobody may start it now, and that is said: it waits for as long as it takes.
    const isWaiting = record.state === 'Starting' && record.reason !== undefined;
    if (UNDER_WAY.has(record.state) && !isWaiting && isDue(id))
      violate('L7', `${id} has been ${record.state} for ${since(id) / 1_000} s`);
    const { command } = spec;
    const couldBeTaken = record.state === 'Started' || record.state === 'Error';
    if (command !== undefined && command.id !== record.command && couldBeTaken && isDue(id))
      violate('L7', `${id} was neither sent to ${command.to} nor refused`);
    if (record.state === 'Frozen' && isDue(id, (objects.policy.freezeDeadlineMs ?? 600_000) + FENCE_MS))
      violate('L5', `${id} has been frozen for ${since(id) / 1_000} s`);
  };

  const leaves = (id: string, { record }: StoredGuest): void => {
    const host = objects.hostSpecs.get(record.placement?.host ?? '');
    const isLeft = record.state !== 'Started' || host?.maintenance !== true;
    if (isLeft || record.reason !== undefined || objects.policy.haPaused !== undefined || !isDue(id)) return;
    violate('L5', `${id} is still on ${record.placement?.host}, which is in maintenance`);
  };

  const fences = (): void => {
    for (const { value } of objects.fences.values())
      if (value.result === undefined && isDue(value.id, FENCE_MS))
        violate('L4', `the fence ${value.id} has not ended`);
    for (const [name, { value: record }] of objects.hosts) {
      if (record.state !== 'Fencing' || !isDue(name)) continue;
      const levels = objects.hostSpecs.get(name)?.fencing.length ?? 0;
      const tried = [...objects.fences.values()].filter(
        ({ value }) => value.incident === record.incident?.id,
      );
      const isDead = cluster.host(name)?.power() !== 'Running';
      if (isDead && new Set(tried.map(({ value }) => value.level)).size < levels)
        violate('L4', `${name} is not fenced, and not all of its ${levels} levels were tried`);
      for (const [id, { value }] of objects.guests)
        if (
          value.record.placement?.host === name &&
          value.record.state === 'Fencing' &&
          value.record.reason === undefined
        )
          violate('L4', `${id} waits for ${name}, and nobody is told`);
    }
  };

  return {
    event: () => {
      lastEvent = now();
    },
    hostDecided: ({ host, record }, before) => {
      if (record.state === before?.value.state) return;
      changed.set(host, now());
      lastReason = now();
      lastHost = now();
    },
    fenceAsked: (fence) => changed.set(fence, now()),
    guestDecided: ({ guest, record }, { value }) => {
      const isStarted =
        record.state === 'Starting' && record.placement?.epoch !== value.record.placement?.epoch;
      if (record.command !== value.record.command || isStarted) lastReason = now();
      if (record.state !== value.record.state) changed.set(guest, now());
    },
    atEnd: () => {
      for (const [id, { value }] of objects.guests) {
        runs(id, value);
        ends(id, value);
        leaves(id, value);
      }
      fences();
      const late = cluster.results.moves.filter(
        ({ at, result }) =>
          at * 1_000 > Math.max(lastEvent, lastReason) + ROUNDS_MS && result === 'Succeeded',
      );
      // One that has left a host with effort may have a better place to go to after that.
      if (late.length > 2 * objects.guests.size)
        violate('L3', `${late.length} moves of ${objects.guests.size} guests since nothing happens any more`);
    },
  };
}
