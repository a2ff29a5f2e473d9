/** The store over any journal: conditions, revisions, reads, history and subscriptions, the same for memory and disk. */
import { setImmediate as breathe } from 'node:timers/promises';
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
import { type History, scanPast } from './history.ts';
import type { CommitRecord, Journal } from './journal.ts';
import { checkWrites, entryAfter, type Plan, planCommit } from './plan.ts';
import { createBatchQueue } from './queue.ts';
import { createTable } from './table.ts';
import { separate } from './values.ts';

/** Commits in one flush at most: enough to share it well, few enough that nobody waits long for the rest. */
const batchLimit = 512;
/** Revisions forgotten in one go: about a millisecond. */
const trimStep = 2_000;

type Job = {
  writes: readonly Write[];
  resolve: (result: WriteResult) => void;
  reject: (error: unknown) => void;
};
type Listener = (changes: readonly Change[]) => void;

/**
 * Opens a store on `journal` with the `history` it holds, and the newest entries of that where they are known already. Reading or compacting at a revision that does not exist yet throws a
 * RangeError; `changesAfter` never splits a commit, so it may return more than `limit` by the rest of one.
 */
export function createEngine(journal: Journal, history: History, newest = history.newest()): Store {
  const table = createTable(newest);
  const listeners = new Set<Listener>();
  let broken: Error | undefined;
  let closed = false;
  let trimming: Promise<void> = Promise.resolve();
  /** Values up to this revision may lie in the pieces in which a file was read; undefined once none does any more. */
  let readTo: number | undefined = history.revision();
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
    let next = history.revision() + 1;
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
    job.resolve(plan.ok ? { ok: true, revision: history.revision() } : plan);
  }

  function publish(commit: CommitRecord): void {
    const { changes } = commit;
    if (changes.length === 0) return;
    history.add(commit);
    for (const change of changes) {
      const entry = entryAfter(change);
      if (entry) table.set(entry);
      else table.delete(change.key);
    }
    for (const listener of [...listeners]) if (listeners.has(listener)) notify(listener, changes);
  }

  async function trim(upTo: number): Promise<void> {
    if (upTo <= history.compactedRevision()) return;
    for (let at = history.compactedRevision(); at < upTo; ) {
      at = Math.min(upTo, at + trimStep);
      history.trim(at);
      if (at < upTo) await breathe();
    }
    await journal.trim(upTo);
    // Not before the commits that were read are forgotten: they keep the pieces in memory too.
    if (readTo === undefined || upTo < readTo) return;
    readTo = undefined;
    await separate(history.base());
  }

  function checkNotCompacted(at: number): void {
    if (at < history.compactedRevision()) throw new CompactedError(history.compactedRevision());
  }

  function checkNotFuture(at: number): void {
    const newest = history.revision();
    if (at > newest) throw new RangeError(`revision ${at} is newer than the newest, ${newest}`);
  }

  return {
    revision: history.revision,
    compactedRevision: history.compactedRevision,
    get: (key) => table.get(key),
    count: (prefix) => table.count(prefix),
    range: ({ prefix, after, limit, revision }: RangeOptions) => {
      if (revision === undefined || revision === history.revision()) {
        return take(table.scan(prefix, after), limit);
      }
      checkNotCompacted(revision);
      checkNotFuture(revision);
      return take(scanPast(table, history.after(revision), prefix, after), limit);
    },
    commit: async (writes) => {
      if (closed) throw new Error('the store is closed');
      checkWrites(writes);
      return new Promise((resolve, reject) => queue.push({ writes, resolve, reject }));
    },
    changesAfter: (since, limit) => {
      checkNotCompacted(since);
      const changes: Change[] = [];
      for (const commit of history.after(since, limit)) {
        if (changes.length >= limit) break;
        changes.push(...commit.changes);
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
      // One after the other: the journal writes down what it finds in the history.
      trimming = trimming.catch(() => undefined).then(() => trim(upTo));
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
