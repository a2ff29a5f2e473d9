/** The cluster's part of Snapshots, Rollbacks, Backups and Restores: each gets the host of its guest, finished jobs are deleted in time. */
import { BACKUP_FINALIZER, SNAPSHOT_FINALIZER } from '../../api/cluster.ts';
import { Backup } from '../../api/kinds/backup.ts';
import type { Host } from '../../api/kinds/host.ts';
import { Restore } from '../../api/kinds/restore.ts';
import { Rollback } from '../../api/kinds/rollback.ts';
import { isTaken, Snapshot } from '../../api/kinds/snapshot.ts';
import type { Verify } from '../../api/kinds/verify.ts';
import { type KindRef, keyOf, type Stored } from '../../api/meta.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult, Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Guest, StoredGuest } from '../guests.ts';
import { guestKey } from '../placement/placement.ts';
import { conditionsFor } from '../readiness.ts';
import { decideKept, type Kept, type KeptDecision } from './decide.ts';
import type { Queue } from './queue.ts';

type Job = Kept | Verify;

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
  sources: KeptSources,
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
      const decision = decide(pass, isTaken(pass.object), sources);
      if (decision.type === 'release') await release(pass, Snapshot, SNAPSHOT_FINALIZER);
      return say(pass, decision, {});
    },
  };
}

export function backupController(
  backups: Informer<Backup>,
  sources: KeptSources & { queue: Queue },
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
      const decision = queue.admit(object, decide(pass, object.status?.completedAt !== undefined, sources));
      if (decision.type === 'release') await release(pass, Backup, BACKUP_FINALIZER);
      return say(pass, decision, { completedAt: `${new Date(pass.now).toISOString().slice(0, 19)}Z` });
    },
  };
}

/** Of Rollbacks. */
export function rollbackController(
  rollbacks: Informer<Rollback>,
  sources: KeptSources,
  triggers: readonly Trigger[],
): Controller<Rollback> {
  return jobController('rollbacks', Rollback, rollbacks, { sources, triggers });
}

/** Of Restores. */
export function restoreController(
  restores: Informer<Restore>,
  sources: KeptSources,
  triggers: readonly Trigger[],
): Controller<Restore> {
  return jobController('restores', Restore, restores, { sources, triggers });
}

function jobController<T extends Rollback | Restore>(
  name: string,
  kind: KindRef<T>,
  informer: Informer<T>,
  { sources, triggers }: { sources: KeptSources; triggers: readonly Trigger[] },
): Controller<T> {
  return {
    name,
    kind,
    informer,
    writes: ['status'],
    access: [{ kind, verbs: ['delete'] }],
    triggers,
    reconcile: async (pass) => {
      const { status, metadata, spec } = pass.object;
      const isOver = status?.completedAt !== undefined;
      if (isOver && metadata.deletionTimestamp === undefined) return expire(kind, pass);
      const completedAt = `${new Date(pass.now).toISOString().slice(0, 19)}Z`;
      const decision = decide(pass, isOver, sources);
      const said = say(pass, decision, { completedAt } as Partial<NonNullable<T['status']>>);
      const ttl = spec.ttlSecondsAfterFinished;
      if (decision.type !== 'end' || ttl === undefined) return said;
      return { ...said, outcome: waiting('TimeToLive', '', ttl * 1_000 + 50) };
    },
  };
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
    now,
  });
}

/** What was decided, as outcome and status. `atEnd`: what else is written when it ends. */
export function say<T extends Job>(
  { object, now }: Pass<T>,
  decision: KeptDecision,
  atEnd: Partial<NonNullable<T['status']>>,
): PassResult<T> {
  const status = (more: object): T['status'] => ({ ...object.status, ...more }) as T['status'];
  switch (decision.type) {
    case 'rest':
    case 'release':
      return { outcome: done };
    case 'assign':
      return { outcome: done, status: status({ phase: 'Pending', host: decision.host }) };
    case 'wait': {
      const { reason, message, afterMs } = decision;
      const outcome = waiting(reason, message, Math.max(afterMs, 1_000));
      const conditions = conditionsFor(object, outcome, now);
      return { outcome, status: status({ phase: 'Pending', message, conditions }) };
    }
    case 'end': {
      const { phase, reason, message } = decision;
      const outcome: Outcome = phase === 'Skipped' ? done : stalled(reason, message);
      const conditions = conditionsFor(object, outcome, now);
      return { outcome: done, status: status({ phase, message, conditions, ...atEnd }) };
    }
  }
}

async function release<T extends Kept>(
  { object, client, signal }: Pass<T>,
  kind: KindRef<T>,
  finalizer: string,
): Promise<void> {
  const { resourceVersion, finalizers = [] } = object.metadata;
  if (!finalizers.includes(finalizer)) return;
  const left = finalizers.filter((name) => name !== finalizer);
  await client.mergePatch(
    kind,
    object.metadata,
    { metadata: { resourceVersion, finalizers: left } },
    { signal },
  );
}

/** Deletes a job that has ended, when its time has come. */
export async function expire<T extends Rollback | Restore | Verify>(
  kind: KindRef<T>,
  pass: Pass<T>,
): Promise<PassResult<T>> {
  const { spec, status, metadata } = pass.object;
  if (spec.ttlSecondsAfterFinished === undefined) return { outcome: done };
  const leftMs = Date.parse(status?.completedAt ?? '') + spec.ttlSecondsAfterFinished * 1_000 - pass.now;
  if (leftMs > 0) return { outcome: waiting('TimeToLive', '', leftMs) };
  await pass.client
    .delete(kind, metadata, { uid: metadata.uid, signal: pass.signal })
    .catch((error: unknown) => {
      if (!(error instanceof ApiError && (error.code === 404 || error.code === 409))) throw error;
    });
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

/** A host was removed. */
export function keptOfHosts<K extends Kept>(hosts: Informer<Host>, jobs: Informer<K>): Trigger {
  return trigger(hosts, ({ before, after }) =>
    after !== undefined || before === undefined
      ? []
      : jobs.byIndex('host', before.metadata.name).map(({ metadata }) => keyOf(metadata)),
  );
}
