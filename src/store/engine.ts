/** The store over any journal: conditions, revisions, reads, history and subscriptions, the same for memory and disk. */
import {
  type Change,
  CompactedError,
  type Entry,
  type RangeOptions,
  type Store,
  StoreFullError,
  type Write,
  type WriteResult,
} from './contract.ts';
import { scanPast } from './history.ts';
import type { CommitRecord, Journal, Loaded } from './journal.ts';
import { checkWrites, entryAfter, type Plan, planCommit } from './plan.ts';
import { createBatchQueue } from './queue.ts';
import { createTable } from './table.ts';

/** Commits in one flush at most: enough to share it well, few enough that nobody waits long for the rest. */
const batchLimit = 512;

type Job = {
  writes: readonly Write[];
  resolve: (result: WriteResult) => void;
  reject: (error: unknown) => void;
};
type Listener = (changes: readonly Change[]) => void;

/**
 * Opens a store on `journal`, starting from what it `loaded`. Reading or compacting at a revision that does not exist yet throws a
 * RangeError; `changesAfter` never splits a commit, so it may return more than `limit` by the rest of one.
 */
export function createEngine(journal: Journal, loaded: Loaded): Store {
  const table = createTable(loaded.entries);
  const listeners = new Set<Listener>();
  let { revision, compactedRevision } = loaded;
  let broken: Error | undefined;
  let closed = false;
  let trimming: Promise<void> = Promise.resolve();
  const queue = createBatchQueue<Job>(runBatch, batchLimit);

  async function runBatch(batch: Job[]): Promise<void> {
    const planned = planBatch(batch);
    const commits = planned.flatMap(({ plan }) =>
      plan.ok && plan.commit.changes.length > 0 ? plan.commit : [],
    );
    try {
      if (broken) throw broken;
      if (commits.length > 0) await journal.append(commits);
    } catch (error) {
      if (!(error instanceof StoreFullError)) broken ??= asError(error);
      // A conflict may have been seen against a write that has now failed, so it is no answer either.
      for (const { job } of planned) job.reject(error);
      return;
    }
    for (const { job, plan } of planned) settle(job, plan);
  }

  /** Plans each job over the state its forerunners in the batch will have left. */
  function planBatch(batch: readonly Job[]): { job: Job; plan: Plan }[] {
    const ahead = new Map<string, Entry | undefined>();
    const lookup = (key: string) => (ahead.has(key) ? ahead.get(key) : table.get(key));
    let next = revision + 1;
    return batch.flatMap((job) => {
      try {
        const plan = planCommit(job.writes, next, lookup);
        if (plan.ok && plan.commit.changes.length > 0) {
          for (const change of plan.commit.changes) ahead.set(change.key, entryAfter(change));
          next++;
        }
        return [{ job, plan }];
      } catch (error) {
        job.reject(error);
        return [];
      }
    });
  }

  function settle(job: Job, plan: Plan): void {
    if (plan.ok) publish(plan.commit);
    job.resolve(plan.ok ? { ok: true, revision } : plan);
  }

  function publish({ revision: committed, changes }: CommitRecord): void {
    if (changes.length === 0) return;
    for (const change of changes) {
      const entry = entryAfter(change);
      if (entry) table.set(entry);
      else table.delete(change.key);
    }
    revision = committed;
    for (const listener of [...listeners]) if (listeners.has(listener)) notify(listener, changes);
  }

  function checkNotCompacted(at: number): void {
    if (at < compactedRevision) throw new CompactedError(compactedRevision);
  }

  function checkNotFuture(at: number): void {
    if (at > revision) throw new RangeError(`revision ${at} is newer than the newest, ${revision}`);
  }

  return {
    revision: () => revision,
    compactedRevision: () => compactedRevision,
    get: (key) => table.get(key),
    count: (prefix) => table.count(prefix),
    range: ({ prefix, after, limit, revision: at }: RangeOptions) => {
      if (at === undefined || at === revision) return take(table.scan(prefix, after), limit);
      checkNotCompacted(at);
      checkNotFuture(at);
      const later = durable(journal.commitsAfter(at), revision);
      return take(scanPast(table, later, prefix, after), limit);
    },
    commit: async (writes) => {
      if (closed) throw new Error('the store is closed');
      checkWrites(writes);
      return new Promise((resolve, reject) => queue.push({ writes, resolve, reject }));
    },
    changesAfter: (since, limit) => {
      checkNotCompacted(since);
      const changes: Change[] = [];
      for (const commit of durable(journal.commitsAfter(since), revision)) {
        changes.push(...commit.changes);
        if (changes.length >= limit) break;
      }
      return changes;
    },
    subscribe: (listener) => {
      const own: Listener = (changes) => listener(changes);
      listeners.add(own);
      return () => listeners.delete(own);
    },
    compact: async (upTo) => {
      checkNotFuture(upTo);
      if (upTo <= compactedRevision) return;
      compactedRevision = upTo;
      trimming = trimming.catch(() => undefined).then(() => journal.trim(upTo));
      await trimming;
    },
    close: async () => {
      closed = true;
      await queue.drained();
      await trimming.catch(() => undefined);
      await journal.close();
    },
  };
}

/** Commits up to the newest acknowledged one: a journal may show what is written and not yet flushed. */
function* durable(commits: Iterable<CommitRecord>, newest: number): Iterable<CommitRecord> {
  for (const commit of commits) {
    if (commit.revision > newest) return;
    yield commit;
  }
}

function take(entries: Iterable<Entry>, limit: number | undefined): { entries: Entry[]; more: boolean } {
  const taken: Entry[] = [];
  for (const entry of entries) {
    if (taken.length === limit) return { entries: taken, more: true };
    taken.push(entry);
  }
  return { entries: taken, more: false };
}

/** A listener that throws is a mistake in the program; the write is durable all the same and its other listeners must hear. */
function notify(listener: Listener, changes: readonly Change[]): void {
  try {
    listener(changes);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
