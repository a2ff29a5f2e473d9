/** The engine's view of hosts and guests as informers show them now, to try something out on: no Lease is read, and nothing is decided by it. */
import { DEFAULT_HA_TIMINGS } from '../../api/haTimings.ts';
import type { ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import type { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { type GuestView, NO_LIFE, type View } from '../ha/model.ts';
import { createObserver, type Observer } from '../ha/observer.ts';
import type { Objection } from '../ha/round.ts';
import type { Membership } from '../placement/membership.ts';
import type { Scheduler } from '../placement/scheduler.ts';
import { indexBonds, rulesApart } from './bonds.ts';
import { createSorter, withGroup } from './crowd.ts';
import { createObjection, type DestinationFacts } from './destinations.ts';
import { guestId, isDeleted, viewWith } from './guestViews.ts';
import { setRules } from './sets.ts';
import { groupsOf, hostView, policyOf } from './views.ts';

export type PaperSources = Pick<DestinationFacts, 'pool'> & {
  /** Undefined while there is no high availability. */
  policy(): Stored<ClusterPolicy> | undefined;
  hosts(): readonly Stored<Host>[];
  /** Those that are protected, and those of which something is stored. */
  guests(): readonly StoredGuest[];
  groups(): readonly Stored<HAGroup>[];
  membership: Pick<Membership, 'groupOf' | 'version'>;
  scheduler: Pick<Scheduler, 'judge' | 'bound'>;
  allocatedBytes(host: string): number;
};

/** A guest that high availability has not been told of yet, on the host it may get or has just got. */
export type Newcomer = { guest: StoredGuest; host: string };

/** `objection` answers from what placement says when it is first asked of a guest. */
export type OnPaper = { view: View; objection: Objection };

/** What is silent just now may be back at once; who is proven dead, or is left alone, is by what is stored. */
const HEARD: Observer = { ...createObserver(() => DEFAULT_HA_TIMINGS), isSuspect: () => false };

/** Undefined while there is no ClusterPolicy. Newcomers are there as if they ran; their memory is not among `allocatedBytes`. */
export function onPaper(sources: PaperSources, newcomers: readonly Newcomer[] = []): OnPaper | undefined {
  const policy = sources.policy();
  if (policy === undefined) return undefined;
  const hosts = new Map(sources.hosts().map((host) => [host.metadata.name, host]));
  const crowd = createSorter(sources.membership)(sources.guests());
  const facts = {
    ...{ guests: crowd.index, votes: new Map(), actions: [], devicesOf: () => [] },
    ...{ allocatedBytes: sources.allocatedBytes, memoryOvercommit: policy.spec.memoryOvercommit },
  };
  const names = [...hosts.values()].filter(({ status }) => status?.witness !== true);
  const views = names.map((host) => [host.metadata.name, hostView(host, facts)] as const);
  const guests = new Map(
    [...crowd.views, ...newcomers.map((one) => viewOf(one, sources))].map((guest) => [guest.id, guest]),
  );
  const arriving = new Map(newcomers.map(({ guest }) => [guestId(guest), guest]));
  const find = (id: string) => arriving.get(id) ?? crowd.watched.get(id);
  const bound = (guest: StoredGuest) => sources.scheduler.bound(guest).map(({ key }) => key);
  const goes = (id: string) => {
    const guest = find(id);
    return guest !== undefined && !isDeleted(guest);
  };
  const mayBeBound = [...crowd.restless, ...arriving.values()].filter((guest) => goes(guestId(guest)));
  const { membership } = sources;
  const apart = rulesApart(
    mayBeBound,
    indexBonds(new Map([...crowd.watched, ...arriving]), membership.groupOf),
  );
  const view: View = {
    ...{ now: 0, observer: HEARD, since: () => 0 },
    rules: [...setRules(mayBeBound, { bound, membership }, goes), ...apart],
    ...{ fences: [], revocations: [], revocable: new Set<string>(), witnesses: new Map() },
    hosts: new Map(views.sort(([a], [b]) => (a < b ? -1 : 1))),
    guests,
    groups: groupsOf(sources.groups()),
    policy: policyOf(policy.spec, DEFAULT_HA_TIMINGS),
  };
  const objection = createObjection({
    guest: find,
    host: (name) => hosts.get(name),
    pool: sources.pool,
    // As on the day: where its set is now binds none of it, and all of them need room.
    judge: (guest) =>
      sources.scheduler.judge(
        guest,
        undefined,
        bound(guest).flatMap((id) => (goes(id) ? (find(id) ?? []) : [])),
      ),
  });
  return { view, objection };
}

function viewOf({ guest, host }: Newcomer, { membership }: Pick<PaperSources, 'membership'>): GuestView {
  const view = viewWith(guest, { state: 'Started', placement: { host, epoch: 1, ...NO_LIFE } });
  return withGroup(view, membership.groupOf(guest)?.name);
}
