/** Forgets: history older than a few minutes, and events older than an hour. */
import { partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { lastSeen } from '../kinds/event.ts';
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
    for (const entry of context.store.range({ prefix: events.prefix }).entries) {
      const seen = Date.parse(String(lastSeen(decode(events, entry))));
      if (Number.isNaN(seen) || seen > limit) continue;
      const place = { served: events, ...partsOf(events.prefix, entry.key) };
      await remove(context, place, { dryRun: false }).catch(ignoreGone);
    }
  });
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}
