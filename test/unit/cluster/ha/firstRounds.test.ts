import { expect, it } from 'vitest';
import { DEFAULT_HA_TIMINGS } from '../../../../src/api/haTimings.ts';
import { judgeHosts } from '../../../../src/cluster/ha/hosts.ts';
import type { HostRecord, HostView, View } from '../../../../src/cluster/ha/model.ts';
import { createObserver, type HostLease } from '../../../../src/cluster/ha/observer.ts';

const NAMES = Array.from({ length: 400 }, (_, index) => `h${index}`);

/** Many hosts that all live, and of which nothing is stored yet; one of them falls silent. */
function crowd(silent: string) {
  const observer = createObserver(() => DEFAULT_HA_TIMINGS);
  const records = new Map<string, HostRecord>(NAMES.map((name) => [name, { state: 'Online' }]));
  const lease = (host: string, now: number): HostLease => ({
    ...{ host, bootID: `boot-${host}`, term: 1, sequence: now, sentAt: now, acknowledgedAt: now },
    ...{ armed: true, pausable: false, hears: [], version: now, timings: DEFAULT_HA_TIMINGS },
    guarded: new Set<string>(),
  });
  return (now: number) => {
    const leases = NAMES.map((name) => lease(name, name === silent ? 1_000 : now));
    observer.observe(leases, { startedAt: now - 5, endedAt: now });
    const hosts = NAMES.map((name) => [name, { name, votes: 1, record: records.get(name) } as HostView]);
    const view = {
      ...{ now, observer, witnesses: new Map(), since: () => 0 },
      hosts: new Map(hosts as [string, HostView][]),
      policy: { timings: DEFAULT_HA_TIMINGS },
    } as unknown as View;
    const decided = judgeHosts(view, new Map()).filter((one) => one.type === 'Host');
    for (const { host, record } of decided) records.set(host, record);
    return decided.map(({ host, record: { state } }) => ({ host, state }));
  };
}

it('a large cluster is got to know in several rounds, and a host that is silent is suspected at once all the same', () => {
  const round = crowd('h399');
  expect(round(1_000).length).toBeLessThanOrEqual(150);
  expect(round(6_000)).toContainEqual({ host: 'h399', state: 'Suspect' });
  const known = [7_000, 8_000, 9_000].map((now) => round(now).length);
  expect(known.at(-1)).toBe(0);
});
