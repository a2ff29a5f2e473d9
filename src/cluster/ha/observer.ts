/**
 * What one manager has seen of the hosts' Leases, by consistent reads of all of them, on its own clock and since its own start: elapsed time is
 * never taken over from anybody. A renewal counts as late as it can have been made where a host is suspected, as early where one vouches.
 */
import type { HaTimings, StatedTimings } from '../../api/haTimings.ts';
import type { Version } from './model.ts';

/** A host's Lease as it stands in the API. */
export type HostLease = {
  host: string;
  bootID: string;
  /** Grows at each boot and each self-fence. */
  term: number;
  /** Counts renewals of the term. */
  sequence: number;
  /** The sender's own clock when it sent this renewal, milliseconds. */
  sentAt: number;
  /** The same clock when it sent the last renewal that was acknowledged in time. */
  acknowledgedAt: number;
  /** A watchdog resets the host when its keeper is stuck. */
  armed: boolean;
  /** The host may be paused from outside: its self-fence proves nothing. */
  pausable: boolean;
  timings: StatedTimings;
  /** Guests the host kills at its deadline, as `<uid>@<epoch>`. */
  guarded: ReadonlySet<string>;
  /** Hosts this one has heard within the last moments. */
  hears: readonly string[];
  /** Version of the Lease in the API, for whoever must know whether it has changed; 0 when it was deleted since. */
  version: Version;
};

type Renewal = { lease: HostLease; notBefore: number; notAfter: number };
type Seen = {
  last: Renewal;
  previous: Renewal | undefined;
  steadySince: number;
  /** The last Lease of the life before the present one. */
  former: HostLease | undefined;
};

export type Observer = {
  /** Takes in one consistent read of all Leases, begun and ended at these times of this manager's clock. */
  observe(leases: readonly HostLease[], read: { startedAt: number; endedAt: number }): void;
  lease(host: string): HostLease | undefined;
  /** The last Lease of this life that was seen, also when the host has begun another since. */
  leaseOf(host: string, life: { bootID: string; term: number }): HostLease | undefined;
  /** How long the host has certainly been silent: since this manager has seen its last renewal. */
  silentFor(host: string, now: number): number;
  /** Since this manager has seen the last renewal of another that names it among those it hears; Infinity: none did. */
  unheardFor(host: string, now: number): number;
  /** The last sign of life of this host that this manager has seen, on its clock. */
  lastSign(host: string): number | undefined;
  isSuspect(host: string, now: number): boolean;
  /** This manager has itself seen it renew: that its Lease stands there tells nothing yet. */
  hasRenewed(host: string): boolean;
  /** Hosts that this manager has itself seen renew, and lately: a Lease that only stands there tells nothing. */
  alive(now: number): Set<string>;
  /** Since when one and the same majority of `votes`, without the suspect, has renewed without a gap; undefined: there is none. */
  majoritySince(votes: ReadonlyMap<string, number>, suspect: string, now: number): number | undefined;
  /** Hosts whose present renewals name this one among those they hear. */
  heardBy(host: string, now: number): string[];
};

/** Of a Lease that is not there any more. */
const NO_VERSION = 0;
/** Of a Lease that has been away for so long nothing is remembered. */
const FORGOTTEN_MS = 600_000;

/** `timings` may change; the excuse age of a suspect's own Lease bounds what counts as a gap, see docs/safety.md. */
export function createObserver(timings: () => HaTimings): Observer {
  const hosts = new Map<string, Seen>();
  /** When another was last seen to say that it hears the host. */
  const heardAt = new Map<string, number>();
  let lastReadStart: number | undefined;

  /** The longest silence of a voter in which it excuses nobody: each host's Lease says what it takes for an excuse. */
  let gapLimit = timings().leaseDuration;
  const limitBy = (leases: readonly HostLease[]): number => {
    const { leaseDuration, renewInterval, observation } = timings();
    const shortest = leases.reduce((least, lease) => Math.min(least, lease.timings.excuseAge), Infinity);
    return Math.min(leaseDuration, shortest - renewInterval - observation);
  };

  const take = (lease: HostLease, endedAt: number): void => {
    const known = hosts.get(lease.host);
    const renewal: Renewal = {
      lease,
      notBefore: lastReadStart ?? Number.NEGATIVE_INFINITY,
      notAfter: endedAt,
    };
    if (known?.last.lease.version !== lease.version)
      for (const name of lease.hears) heardAt.set(name, endedAt);
    if (known === undefined) {
      hosts.set(lease.host, { last: renewal, previous: undefined, steadySince: endedAt, former: undefined });
      return;
    }
    const before = known.last;
    if (before.lease.version === lease.version) return;
    const isSameTerm = before.lease.bootID === lease.bootID && before.lease.term === lease.term;
    // A host old enough to excuse others at some moment shows, in the renewal after it, an acknowledgement older than this.
    const gap = isSameTerm ? lease.sentAt - before.lease.acknowledgedAt : Number.POSITIVE_INFINITY;
    const steadySince = gap <= gapLimit ? known.steadySince : endedAt;
    const former = isSameTerm ? known.former : before.lease;
    hosts.set(lease.host, { last: renewal, previous: before, steadySince, former });
  };

  /**
   * Its Lease was deleted. It may have renewed until this read, and what it guards is what was seen last, or more. A host that lives makes a Lease again
   * with its next renewal.
   */
  const miss = (host: string, seen: Seen, endedAt: number): void => {
    const { last } = seen;
    if (last.lease.version !== NO_VERSION)
      hosts.set(host, {
        ...seen,
        last: { ...last, lease: { ...last.lease, version: NO_VERSION }, notAfter: endedAt },
      });
    else if (endedAt - last.notAfter > FORGOTTEN_MS) hosts.delete(host);
  };

  /**
   * Its last acknowledged renewal is younger than the limit and one attempt: what follows in the Lease proves that the one before was
   * acknowledged, and acknowledged means within one attempt of being sent.
   */
  const vouches = ({ last, previous }: Seen, now: number): boolean =>
    previous !== undefined &&
    previous.lease.term === last.lease.term &&
    previous.lease.sentAt <= last.lease.acknowledgedAt &&
    now - previous.notBefore <= gapLimit;

  const silentFor = (host: string, now: number): number => {
    const seen = hosts.get(host);
    return seen === undefined ? Number.POSITIVE_INFINITY : now - seen.last.notAfter;
  };

  const heardBy = (host: string, now: number): string[] =>
    [...hosts.values()]
      .filter(({ last }) => now - last.notAfter < timings().leaseDuration && last.lease.hears.includes(host))
      .map(({ last }) => last.lease.host);

  return {
    observe: (leases, { startedAt, endedAt }) => {
      const present = new Set(leases.map(({ host }) => host));
      for (const [host, seen] of hosts) if (!present.has(host)) miss(host, seen, endedAt);
      gapLimit = limitBy([...leases, ...[...hosts.values()].map(({ last }) => last.lease)]);
      for (const lease of leases) take(lease, endedAt);
      lastReadStart = startedAt;
    },
    lease: (host) => hosts.get(host)?.last.lease,
    leaseOf: (host, { bootID, term }) => {
      const seen = hosts.get(host);
      return [seen?.last.lease, seen?.former].find(
        (lease) => lease?.bootID === bootID && lease.term === term,
      );
    },
    silentFor,
    unheardFor: (host, now) => now - (heardAt.get(host) ?? Number.NEGATIVE_INFINITY),
    lastSign: (host) => hosts.get(host)?.last.notAfter,
    isSuspect: (host, now) => silentFor(host, now) >= timings().leaseDuration,
    hasRenewed: (host) => hosts.get(host)?.previous !== undefined,
    alive: (now) =>
      new Set(
        [...hosts]
          .filter(
            ([, { last, previous }]) =>
              previous !== undefined && now - last.notBefore < timings().leaseDuration,
          )
          .map(([host]) => host),
      ),
    majoritySince: (votes, suspect, now) => {
      const total = [...votes.values()].reduce((sum, count) => sum + count, 0);
      const steady = [...hosts.entries()]
        .filter(([host, seen]) => host !== suspect && (votes.get(host) ?? 0) > 0 && vouches(seen, now))
        .sort(([, a], [, b]) => a.steadySince - b.steadySince);
      let held = 0;
      for (const [host, { steadySince }] of steady) {
        held += votes.get(host) ?? 0;
        if (held > total / 2) return steadySince;
      }
      return undefined;
    },
    heardBy,
  };
}
