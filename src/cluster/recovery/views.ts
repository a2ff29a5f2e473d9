/** The engine's view of hosts, fences, groups and the policy, from the objects of the API as one round sees them. Pure. */
import type { HaTimings } from '../../api/haTimings.ts';
import type { ClusterPolicySpec } from '../../api/kinds/clusterPolicy.ts';
import type { FenceAction } from '../../api/kinds/fenceAction.ts';
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import type { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { parseDuration } from '../../base/duration.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { trustedLevelsOf } from '../fencing/levels.ts';
import type { StoredGuest } from '../guests.ts';
import type { Fence, Group, GuestReport, HostView, Policy, Rebalancing } from '../ha/model.ts';
import { DEFAULT_REBALANCING, isSameLife } from '../ha/model.ts';
import { NO_OVERCOMMIT, offerOf } from '../placement/offer.ts';
import { type GuestIndex, guestId, guestView } from './guestViews.ts';
import { hostRecordOf } from './stored.ts';

export type HostFacts = {
  guests: GuestIndex;
  votes: ReadonlyMap<string, number>;
  devicesOf(host: string): readonly Stored<FenceDevice>[];
  actions: readonly Stored<FenceAction>[];
  /** Memory promised on the host in all. */
  allocatedBytes(host: string): number;
  /** The ClusterPolicy's. */
  memoryOvercommit: number | undefined;
};

export function hostView(host: Stored<Host>, facts: HostFacts): HostView {
  const own = ownOnce(host, facts.memoryOvercommit ?? NO_OVERCOMMIT);
  const { name, record } = own;
  const confirmed = confirmedIncident(record.incident, facts.actions);
  return {
    ...own,
    votes: facts.votes.get(name) ?? 0,
    fencing: trustedLevelsOf(host, facts.devicesOf(name)),
    memoryBytes: own.memoryBytes - promisedToOthers(name, facts),
    reported: reportsOnce(host, facts.guests),
    ...(confirmed === undefined ? {} : { confirmed }),
  };
}

/** What the object of the host says by itself; its memory before anything is promised. */
type OwnView = Omit<HostView, 'votes' | 'fencing' | 'reported' | 'confirmed'>;

/** Objects of informers are never changed: what is read out of one alone is read once. */
const own = new WeakMap<Stored<Host>, { view: OwnView; memoryOvercommit: number }>();

function ownOnce(host: Stored<Host>, memoryOvercommit: number): OwnView {
  const known = own.get(host);
  if (known?.memoryOvercommit === memoryOvercommit) return known.view;
  const view = ownView(host, memoryOvercommit);
  own.set(host, { view, memoryOvercommit });
  return view;
}

function ownView(host: Stored<Host>, memoryOvercommit: number): OwnView {
  const { metadata, spec, status } = host;
  const { keeper, machineID: id, bootID } = status ?? {};
  const offer = offerOf(host, memoryOvercommit);
  return {
    ...{ name: metadata.name, version: metadata.resourceVersion, record: hostRecordOf(status) },
    ready: findCondition(status?.conditions, 'AgentReady')?.status === 'True',
    maintenance: spec.maintenance?.enabled === true,
    ...shutdownOf(host),
    ...(spec.fencing?.delay === undefined ? {} : { fencingDelayMs: parseDuration(spec.fencing.delay) }),
    ...{ cpus: offer.cpus, memoryBytes: offer.memoryBytes, real: offer.real },
    ...(offer.memoryInWords === undefined ? {} : { memoryInWords: offer.memoryInWords }),
    ...(keeper === undefined ? {} : { reportedIn: { bootID: keeper.bootID, term: keeper.term } }),
    ...(id === undefined || bootID === undefined ? {} : { machine: { id, bootID } }),
  };
}

/** An orderly end, as the host's agent says it, and what it means for guests where the host has a word of its own. */
function shutdownOf({ spec, status }: Stored<Host>): Pick<HostView, 'shutdown' | 'shutdownPolicy'> {
  const { shutdownPolicy } = spec;
  const own = shutdownPolicy === undefined ? {} : { shutdownPolicy };
  if (status?.shutdown === undefined) return own;
  const { kind, bootID, term, stoppedAt } = status.shutdown;
  const stopped = stoppedAt === undefined ? {} : { stopped: true as const };
  return { ...own, shutdown: { kind, bootID, term, ...stopped } };
}

type Reports = {
  guests: GuestIndex;
  /** The objects of its guests, in its order. */
  objects: readonly (StoredGuest | undefined)[];
  reported: ReadonlyMap<string, GuestReport>;
};

const reports = new WeakMap<Stored<Host>, Reports>();

/** Once for as long as neither the host nor any of its guests changes. */
function reportsOnce(host: Stored<Host>, guests: GuestIndex): ReadonlyMap<string, GuestReport> {
  const known = reports.get(host);
  if (known?.guests === guests) return known.reported;
  const listed = host.status?.guests ?? [];
  const isSame = known?.objects.every((object, at) => object === guests.byUid.get(listed[at]?.uid ?? ''));
  const next =
    known !== undefined && isSame === true
      ? { ...known, guests }
      : {
          guests,
          objects: listed.map(({ uid }) => guests.byUid.get(uid)),
          reported: reportsOf(host, guests),
        };
  reports.set(host, next);
  return next.reported;
}

/** The engine counts itself what it knows to be there. */
function promisedToOthers(host: string, { guests, allocatedBytes }: HostFacts): number {
  return Math.max(0, allocatedBytes(host) - (guests.countedBytes.get(host) ?? 0));
}

/**
 * What the host says of guests. One that does not run but is to, in the life it was placed in, is its agent's to start at any moment:
 * it counts as there. Of an earlier life it is gone.
 */
function reportsOf({ status }: Stored<Host>, { byUid }: GuestIndex): ReadonlyMap<string, GuestReport> {
  const reports = new Map<string, GuestReport>();
  for (const { uid, epoch, running } of status?.guests ?? []) {
    const guest = byUid.get(uid);
    if (guest === undefined) continue;
    const view = guestView(guest);
    const mayStart = view?.wanted === 'Started' && isSameLife(status?.keeper, view.record.placement);
    reports.set(view?.id ?? guestId(guest), {
      ...{ epoch, failures: 0 },
      state: running ? 'Running' : mayStart ? 'Preparing' : 'Off',
    });
  }
  return reports;
}

function confirmedIncident(
  incident: { id: string; bootID: string; term: number } | undefined,
  actions: readonly Stored<FenceAction>[],
): string | undefined {
  if (incident === undefined) return undefined;
  const isIt = ({ spec, status }: Stored<FenceAction>) =>
    spec.method === 'Manual' &&
    spec.incident === incident.id &&
    isSameLife(spec, incident) &&
    status?.phase !== 'Refused';
  return actions.some(isIt) ? incident.id : undefined;
}

const RESULTS = { PoweredOff: 'PoweredOff', Failed: 'Failed', Refused: 'Refused' } as const;

/** Fences of open incidents: what was done for another life of the host says nothing. */
export function fencesOf(
  actions: readonly Stored<FenceAction>[],
  hosts: ReadonlyMap<string, HostView>,
): Fence[] {
  return actions.flatMap(({ metadata, spec, status }) => {
    const incident = hosts.get(spec.host)?.record.incident;
    if (spec.method !== 'PowerOff' || incident?.id !== spec.incident || !isSameLife(incident, spec))
      return [];
    const phase = status?.phase;
    const result =
      status?.contradictedAt !== undefined
        ? ('Failed' as const)
        : phase === 'PoweredOff' || phase === 'Failed' || phase === 'Refused'
          ? RESULTS[phase]
          : undefined;
    const { host, level = 0 } = spec;
    return [
      {
        id: metadata.name,
        host,
        incident: spec.incident,
        level,
        ...(result === undefined ? {} : { result }),
      },
    ];
  });
}

export function groupsOf(groups: readonly Stored<HAGroup>[]): Map<string, Group> {
  return new Map(
    groups.map(({ metadata: { name }, spec }) => [
      name,
      {
        name,
        restricted: spec.restricted === true,
        hosts: spec.hosts.map((host) => ({ name: host.name, priority: host.priority ?? 0 })),
      },
    ]),
  );
}

/** What real hosts do not follow yet has values that change nothing; the factor on their memory is in the views of them. */
export function policyOf(spec: ClusterPolicySpec, timings: HaTimings): Policy {
  const { maxConcurrentFences, selfFenceWithoutWatchdog = 'Deny', haPaused } = spec;
  const { shutdownPolicy = 'Conditional', rebootGrace, freezeDeadline } = spec;
  const { storageRevocation = 'Ignore' } = spec;
  return {
    ...{ timings, selfFenceWithoutWatchdog, shutdownPolicy, storageRevocation },
    ...(maxConcurrentFences === undefined ? {} : { maxConcurrentFences }),
    ...(haPaused === undefined ? {} : { haPaused }),
    rebootGraceMs: parseDuration(rebootGrace ?? '10s'),
    freezeDeadlineMs: parseDuration(freezeDeadline ?? '10m'),
    // Who starts on another host is moved there before (beginnings.ts), so that what its own host knows of it comes along.
    rebalancing: { ...rebalancingOf(spec), onStart: false },
  };
}

function rebalancingOf({ rebalancing: { hold, ...given } = {} }: ClusterPolicySpec): Rebalancing {
  const held = hold === undefined ? {} : { holdMs: parseDuration(hold) };
  return { ...DEFAULT_REBALANCING, ...given, ...held };
}
