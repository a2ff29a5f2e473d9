/**
 * The times that are promised (L2): a host that loses its power or its network while all else is well has its guests running elsewhere in time.
 * Anything else that happens meanwhile takes the promise back.
 */
import { wishOf } from '../../../keeper/watchdog.ts';
import type { Cluster } from '../cluster.ts';
import { unreported } from '../restored.ts';
import type { Entry } from '../scenario.ts';
import type { Violate, Watch } from './contract.ts';
import { isThere } from './shared.ts';

/** Nothing has happened for so long: all is well. */
const CALM_MS = 45_000;
/** From a decision to the word of the manager at the host, and from round to round. */
const ROUNDS_MS = 1_500;
const TAKEOVER_MS = 3_000;

export function watchTimes(cluster: Cluster, violate: Violate): Watch {
  const now = () => cluster.schedule.now();
  let lastEvent = Number.NEGATIVE_INFINITY;
  let promise = 0;

  const isWell = (without: string): boolean =>
    [...cluster.hosts.values()].every(
      ({ name, controlPlaneCut, drift, storage, fence }) =>
        (name === without || isThere(cluster, name)) &&
        // Nor was the one that is lost now silent before.
        !controlPlaneCut &&
        drift === 0 &&
        storage === 'Connected' &&
        fence.broken.size === 0,
    ) &&
    cluster.cuts.size === 0 &&
    unreported(cluster.api.objects).length === 0 &&
    [...cluster.api.objects.hosts.values()].every(({ value }) => value.state === 'Online') &&
    [...cluster.api.objects.guests.values()].every(({ value }) => value.record.state === value.spec.state) &&
    hasMajority(cluster, without);

  /** When its guests execute elsewhere at the latest, in ms; undefined: no time is promised. */
  const limitFor = (name: string): number | undefined => {
    const t = cluster.timings();
    const spec = cluster.api.objects.hostSpecs.get(name);
    const host = cluster.host(name);
    const isLed = cluster.managers.get(name)?.leads() === true;
    const led = isLed ? t.leaderLease + TAKEOVER_MS : 0;
    const silent = Math.max(t.leaseDuration, led) + t.renewInterval + t.observation;
    if (spec !== undefined && spec.fencing.length > 0)
      return (
        Math.max(silent + (host?.fence.delayMs ?? 0), t.renewInterval + t.freezeAfter + t.killTime) +
        ROUNDS_MS
      );
    if (host?.watchdogMs === undefined) return undefined;
    const wait = Math.max(t.selfFenceWait, t.selfFenceAfter + t.killTime + wishOf(t).asked + t.margin);
    return Math.max(silent, wait + t.renewInterval + t.observation) + ROUNDS_MS;
  };

  const promised = (name: string): void => {
    const mine = promise;
    for (const [id, { value }] of cluster.api.objects.guests) {
      const { spec, record } = value;
      const limit = limitFor(name);
      const mayFail = spec.startFailures !== undefined || spec.startFailsOn !== undefined;
      if (spec.state !== 'Started' || record.placement?.host !== name || limit === undefined || mayFail)
        continue;
      const ms = limit + spec.startTakesMs;
      cluster.schedule.after(ms, () => {
        const stored = cluster.api.objects.guests.get(id)?.value;
        if (mine !== promise || stored === undefined || stored.record.reason?.startsWith('NoHost') === true)
          return;
        const isRunning = [...cluster.hosts.values()].some((host) => host.name !== name && host.executes(id));
        if (!isRunning)
          violate('L2', `${id} does not run ${ms / 1_000} s after ${name} was lost (${stored.record.state})`);
      });
    }
  };

  return {
    event: ({ host, do: what }: Entry) => {
      const isCalm = now() - lastEvent >= CALM_MS || (lastEvent < 0 && now() >= 10_000);
      lastEvent = now();
      promise += 1;
      const isLoss = what === 'PowerOff' || what === 'CutNetwork';
      if (host !== undefined && isLoss && isCalm && isWell(host)) promised(host);
    },
  };
}

function hasMajority(cluster: Cluster, without: string): boolean {
  const votes = [...cluster.votes()];
  const all = votes.reduce((sum, [, count]) => sum + count, 0);
  return votes.reduce((sum, [name, count]) => sum + (name === without ? 0 : count), 0) > all / 2;
}
