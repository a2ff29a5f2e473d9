/** Forgets: history older than a few minutes, events older than an hour, and certificate requests that are done or nobody wants. */
import { partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { createPace, ownLane } from '../fairness/pace.ts';
import { conditionsOf, statusOf } from '../kinds/certificaterules.ts';
import { lastSeen } from '../kinds/event.ts';
import type { KubeObject } from '../object.ts';
import { decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { remove } from '../registry/remove.ts';
import { ApiError } from '../status.ts';
import type { Upkeep } from './upkeep.ts';

/** kube-apiserver's --etcd-compaction-interval: clients that were away longer list anew. */
const historyMs = 5 * 60_000;
/** Under a storm of writes history is cut earlier. */
const historyRevisions = 100_000;
const lookMs = 60_000;
/** kube-apiserver's --event-ttl. */
const eventMs = 60 * 60_000;
const eventLookMs = 5 * 60_000;
/** As kube-controller-manager forgets requests: decided ones after an hour, others after a day. */
const decidedMs = 60 * 60_000;
const undecidedMs = 24 * 60 * 60_000;
const requestLookMs = 10 * 60_000;

function every(context: Context, ms: number, what: string, work: () => Promise<void>): Upkeep {
  let closed = false;
  let running = Promise.resolve();
  let cancel = context.clock.after(ms, turn);
  function turn(): void {
    running = work()
      .catch((error: unknown) => context.log.warn(`${what} failed`, { error: String(error) }))
      .then(() => {
        if (!closed) cancel = context.clock.after(ms, turn);
      });
  }
  return {
    close: () => {
      closed = true;
      cancel();
      return running;
    },
  };
}

/** Starts to compact. */
export function forgetHistory(context: Context): Upkeep {
  const marks: { at: number; revision: number }[] = [];
  return every(context, lookMs, 'forgetting old history', async () => {
    const now = context.clock.monotonic();
    const revision = context.store.revision();
    marks.push({ at: now, revision });
    let upTo = revision - historyRevisions;
    while (marks[0] !== undefined && now - marks[0].at >= historyMs)
      upTo = Math.max(upTo, marks.shift()?.revision ?? 0);
    if (upTo > context.store.compactedRevision()) await context.store.compact(upTo);
  });
}

/** Starts to remove old events. */
export function forgetEvents(context: Context, events: Served): Upkeep {
  return every(context, eventLookMs, 'forgetting old events', async () => {
    const limit = context.clock.now() - eventMs;
    const pace = createPace(context, ownLane);
    for (const entry of context.store.range({ prefix: events.prefix }).entries) {
      await pace();
      const seen = Date.parse(String(lastSeen(decode(events, entry))));
      if (Number.isNaN(seen) || seen > limit) continue;
      const place = { served: events, ...partsOf(events.prefix, entry.key) };
      await remove(context, place, { dryRun: false }).catch(ignoreGone);
    }
  });
}

/** Starts to remove certificate requests. Those that were approved stay until they are signed or have failed. */
export function forgetRequests(context: Context, requests: Served): Upkeep {
  return every(context, requestLookMs, 'forgetting old certificate requests', async () => {
    const now = context.clock.now();
    const pace = createPace(context, ownLane);
    for (const entry of context.store.range({ prefix: requests.prefix }).entries) {
      await pace();
      const request = decode(requests, entry);
      if (!isPast(request, now)) continue;
      const place = { served: requests, ...partsOf(requests.prefix, entry.key) };
      // The uid makes sure that a request made anew meanwhile stays.
      await remove(context, place, { dryRun: false, uid: request.metadata.uid ?? '' }).catch(ignoreGone);
    }
  });
}

function isPast(request: KubeObject, now: number): boolean {
  const older = (time: unknown, ms: number) => now - Date.parse(String(time)) > ms;
  const conditions = conditionsOf(request);
  if (conditions.length === 0) return older(request.metadata.creationTimestamp, undecidedMs);
  const isIssued = Boolean(statusOf(request).certificate);
  return conditions.some(
    ({ type, lastUpdateTime }) =>
      (type === 'Denied' || type === 'Failed' || (type === 'Approved' && isIssued)) &&
      older(lastUpdateTime, decidedMs),
  );
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}
