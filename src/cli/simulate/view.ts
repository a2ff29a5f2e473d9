/** The engine's view of the model's API objects. */
import { overcommitted } from '../../api/haPolicy.ts';
import { DEFAULT_HA_TIMINGS } from '../../api/haTimings.ts';
import {
  DEFAULT_REBALANCING,
  type GuestReport,
  type GuestView,
  type HostView,
  type Policy,
} from '../../cluster/ha/model.ts';
import type { Objects } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { PolicySpec } from './scenario.ts';
import { bytesOfUntold, isUntold } from './untold.ts';

const NOTHING: ReadonlyMap<string, GuestReport> = new Map();

export function hostViews(objects: Objects): Map<string, HostView> {
  const views = new Map<string, HostView>();
  for (const [name, spec] of objects.hostSpecs) {
    const stored = objects.hosts.get(name);
    // A witness votes, is none of the hosts, and nobody judges it.
    if (stored === undefined || spec.witness === true) continue;
    const statement = objects.statements.get(name)?.value;
    const policy = spec.shutdownPolicy;
    views.set(name, {
      name,
      votes: spec.votes,
      record: stored.value,
      version: stored.version,
      ready: statement?.ready ?? false,
      maintenance: spec.maintenance,
      ...(statement?.shutdown === undefined ? {} : { shutdown: statement.shutdown }),
      ...(spec.confirmed === undefined ? {} : { confirmed: spec.confirmed }),
      fencing: spec.fencing,
      ...(policy === undefined ? {} : { shutdownPolicy: policy }),
      cpus: spec.cpus,
      ...memoryOf(spec.memoryBytes, bytesOfUntold(objects, name), objects.policy),
      real: { cpus: spec.cpus, memoryBytes: spec.memoryBytes },
      reported: statement?.guests ?? NOTHING,
      ...(statement === undefined ? {} : { reportedIn: statement.life }),
    });
  }
  return views;
}

/** Guests that the engine has not been told of have their part of it. */
function memoryOf(
  has: number,
  untold: number,
  { memoryOvercommit = 1 }: PolicySpec,
): Pick<HostView, 'memoryBytes' | 'memoryInWords'> {
  const { bytes, inWords } = overcommitted(has, memoryOvercommit);
  return { memoryBytes: bytes - untold, ...(inWords === undefined ? {} : { memoryInWords: inWords }) };
}

export function guestViews(objects: Objects, cluster: Cluster): Map<string, GuestView> {
  const views = new Map<string, GuestView>();
  for (const [id, { version, value }] of objects.guests) {
    const { spec, uid, record } = value;
    if (isUntold(record)) continue;
    const limits = cluster.limits(spec);
    views.set(id, {
      id,
      uid,
      version,
      record,
      wanted: spec.state,
      ...(spec.command === undefined ? {} : { command: spec.command }),
      ...(spec.group === undefined ? {} : { group: spec.group }),
      ...limits,
      cpus: spec.cpus,
      memoryBytes: spec.memoryBytes,
      ...(spec.load === undefined ? {} : { load: spec.load }),
      liveMigratable: spec.liveMigratable,
      ...(spec.lock === undefined ? {} : { lock: spec.lock }),
      ...(spec.pools === undefined ? {} : { pools: spec.pools }),
      ...(spec.host === undefined ? {} : { declaredHost: spec.host }),
      priority: spec.priority,
    });
  }
  return views;
}

export function policyOf(spec: PolicySpec): Policy {
  return {
    timings: { ...DEFAULT_HA_TIMINGS, ...spec.timings },
    shutdownPolicy: spec.shutdownPolicy ?? 'Conditional',
    ...(spec.maxConcurrentFences === undefined ? {} : { maxConcurrentFences: spec.maxConcurrentFences }),
    selfFenceWithoutWatchdog: spec.selfFenceWithoutWatchdog ?? 'Deny',
    storageRevocation: spec.storageRevocation ?? 'Ignore',
    ...(spec.haPaused === undefined ? {} : { haPaused: spec.haPaused }),
    rebootGraceMs: spec.rebootGraceMs ?? 10_000,
    freezeDeadlineMs: spec.freezeDeadlineMs ?? 600_000,
    rebalancing: { ...DEFAULT_REBALANCING, ...spec.rebalancing },
  };
}
