/** The cluster's part of Snapshots, Rollbacks, Backups and Restores: each gets the host of its guest, finished jobs are deleted in time. */
import { BACKUP_FINALIZER, SNAPSHOT_FINALIZER } from '../../api/cluster.ts';
import { Backup } from '../../api/kinds/backup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Restore } from '../../api/kinds/restore.ts';
import type { Rollback } from '../../api/kinds/rollback.ts';
import { isTaken, Snapshot } from '../../api/kinds/snapshot.ts';
import { type KindRef, keyOf, type Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { done, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult, Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Guest, StoredGuest } from '../guests.ts';
import { type JobDecision, jobController, sayOfJob } from '../jobs.ts';
import { guestKey } from '../placement/placement.ts';
import { conditionsFor } from '../readiness.ts';
import { decideKept, type Kept, type KeptDecision } from './decide.ts';
import { hostAfterGuest } from './followers.ts';
import { type HeirSources, heirOf, isLost } from './heirs.ts';
import type { Queue } from './queue.ts';

export type KeptSources = {
  hosts: Informer<Host>;
  /** By `<kind>/<namespace>/<name>`. */
  guest(key: string): StoredGuest | undefined;
};

/** The indexes of the informers of Snapshots and Rollbacks. */
export const keptIndexes = {
  guest: (job: Kept) => [guestText(job)],
  host: ({ status }: Kept) => (status?.host === undefined ? [] : [status.host]),
};

function guestText({ metadata, spec }: Kept): string {
  return `${spec.guest.kind}/${metadata.namespace ?? 'default'}/${spec.guest.name}`;
}

export function snapshotController(
  snapshots: Informer<Snapshot>,
  sources: KeptSources & Pick<HeirSources, 'pool'>,
  triggers: readonly Trigger[],
): Controller<Snapshot> {
  return {
    name: 'snapshots',
    kind: Snapshot,
    informer: snapshots,
    writes: ['status'],
    access: [{ kind: Snapshot, verbs: ['patch'] }],
    triggers,
    reconcile: async (pass) => {
      const { object } = pass;
      const guest = sources.guest(guestText(object));
      const host = hostAfterGuest(object, guest, sources.pool);
      if (host !== undefined) return { outcome: done, status: { ...object.status, host } };
      const decision = decide(pass, isTaken(object), sources);
      if (decision.type === 'kept') return sayKept(pass, decision);
      return decision.type === 'release'
        ? release(pass, Snapshot, SNAPSHOT_FINALIZER)
        : sayOfJob(pass, decision, lookedAfterBy(decision, guest));
    },
  };
}

export function backupController(
  backups: Informer<Backup>,
  sources: KeptSources & HeirSources & { queue: Queue },
  triggers: readonly Trigger[],
): Controller<Backup> {
  return {
    name: 'backups',
    kind: Backup,
    informer: backups,
    writes: ['status'],
    access: [{ kind: Backup, verbs: ['patch'] }],
    triggers,
    reconcile: async (pass) => {
      const { object } = pass;
      const { queue } = sources;
      const heir = heirOf(object, sources.guest(guestText(object)), sources);
      if (heir !== undefined) return { outcome: done, status: { ...object.status, host: heir } };
      const decision = queue.admit(object, decide(pass, object.status?.completedAt !== undefined, sources));
      if (decision.type === 'kept') return sayKept(pass, decision);
      return decision.type === 'release'
        ? release(pass, Backup, BACKUP_FINALIZER)
        : sayOfJob(pass, decision, { completedAt: timeOf(pass.now) });
    },
  };
}

/** What was half-taken where its host was lost is in the disks of the guest. */
function lookedAfterBy(decision: JobDecision, guest: StoredGuest | undefined): { host?: string } {
  const host = guest?.status?.placement?.host;
  const isHalf = decision.type === 'end' && decision.reason === 'HostLost';
  return isHalf && host !== undefined ? { host } : {};
}

/** Of Rollbacks and of Restores: `name` of the controller. */
export function keptJobController<T extends Rollback | Restore>(
  name: string,
  kind: KindRef<T>,
  informer: Informer<T>,
  { triggers, ...sources }: KeptSources & { triggers: readonly Trigger[] },
): Controller<T> {
  return jobController(name, kind, informer, {
    triggers,
    decide: (pass) => {
      const decision = decide(pass, false, sources);
      // They have nothing that would have to be let go.
      return decision.type === 'release' || decision.type === 'kept' ? { type: 'rest' } : decision;
    },
  });
}

function decide<T extends Kept>(
  { object, now }: Pass<T>,
  isOver: boolean,
  sources: KeptSources,
): KeptDecision {
  return decideKept({
    job: object as Stored<Kept>,
    isOver,
    guest: sources.guest(guestText(object)),
    isHostGone: (name) => sources.hosts.get(name) === undefined,
    isHostLost: (name) => isLost(sources.hosts.get(name)),
    now,
  });
}

/** Its phase stays: what it is has not changed. */
function sayKept<T extends Snapshot | Backup>(
  { object, now }: Pass<T>,
  { reason, message }: { reason: string; message: string },
): PassResult<T> {
  const outcome = waiting(reason, message, KEPT_RECHECK_MS);
  const conditions = conditionsFor(object, outcome, now);
  return { outcome, status: { ...object.status, conditions, message } as T['status'] };
}

/** Hosts that come back or go tell. */
const KEPT_RECHECK_MS = 600_000;

async function release<T extends Kept>(
  { object, client, signal }: Pass<T>,
  kind: KindRef<T>,
  finalizer: string,
): Promise<PassResult<T>> {
  const { resourceVersion, finalizers = [] } = object.metadata;
  if (!finalizers.includes(finalizer)) return { outcome: done };
  const left = finalizers.filter((name) => name !== finalizer);
  await client.mergePatch(
    kind,
    object.metadata,
    { metadata: { resourceVersion, finalizers: left } },
    { signal },
  );
  return { outcome: done };
}

/** A guest was placed, moved or deleted. */
export function keptOfGuests<T extends Guest, K extends Kept>(
  guests: Informer<T>,
  jobs: Informer<K>,
): Trigger {
  return trigger(guests, ({ before, after }) => {
    const [was, is] = [before?.status?.placement?.host, after?.status?.placement?.host];
    const guest = after ?? before;
    if (guest === undefined || (before !== undefined && after !== undefined && was === is)) return [];
    return jobs.byIndex('guest', guestKey(guest)).map(({ metadata }) => keyOf(metadata));
  });
}

/** A host was lost or removed. */
export function keptOfHosts<K extends Kept>(hosts: Informer<Host>, jobs: Informer<K>): Trigger {
  return trigger(hosts, ({ before, after }) =>
    before === undefined || !isLost(after) || (isLost(before) && after !== undefined)
      ? []
      : jobs.byIndex('host', before.metadata.name).map(({ metadata }) => keyOf(metadata)),
  );
}
