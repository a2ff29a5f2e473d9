/**
 * Events for people: what happened to an object and why. They are a courtesy: recording never waits, never fails a pass, and
 * under pressure the oldest waiting one is dropped.
 */
import { Event } from '../api/core.ts';
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';
import { apiVersionOf } from '../api/meta.ts';
import { backoffDelay } from '../base/backoff.ts';
import { timestamp } from '../base/clock.ts';
import type { World } from '../base/world.ts';
import type { Client } from '../client/contract.ts';
import { ApiError } from '../client/contract.ts';

/** The same thing said again within this time is counted on the event that exists. */
const SERIES_MS = 600_000;

/** The count of one event is written at most this often: repeats come with each retry. */
const RECOUNT_MS = 60_000;
const LONGEST_QUEUE = 1_000;
const LONGEST_MEMORY = 4_096;
const ATTEMPTS = 4;
/**
 * What an event tells of is still under way: its own writes go first, and while little is queued each event gives way again, and to every pass:
 * it is told when none has begun or ended for a moment, or when it has waited too long.
 */
const COURTESY_MS = 1_000;
const PACE_MS = 50;
const QUIET_MS = 150;
const LONGEST_COURTESY_MS = 5_000;
const LITTLE_QUEUED = 500;
const BACKOFF = { baseMs: 500, maxMs: 10_000 };

/** API servers refuse longer messages: v1 Event validation. */
const LONGEST_MESSAGE = 1_024;

export type EventRecorder = {
  record(
    kind: KindRef,
    object: Stored<KubeObject>,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
  ): void;
  /** Stops waiting for repeats; resolves when what is queued is written, or after `limitMs`. */
  flush(limitMs: number): Promise<void>;
};

type Series = {
  /** Made when it is written: of many that are recorded at once few are. */
  event: () => Event;
  count: number;
  writtenCount: number;
  lastSeenMs: number;
  lastWrittenMs: number;
  queuedMs: number;
  cancelRecount?: () => void;
};

export type EventRecorderOptions = {
  client: Client;
  world: Pick<World, 'clock' | 'random' | 'log'>;
  component: string;
  host?: string | undefined;
  /** When a pass last began or ended, on the monotonic clock, milliseconds; without it events give way to nothing but time. */
  lastPassMs?: () => number;
};

/** What an event says of its object: nothing else of it is kept until then. */
type About = { name: string; namespace: string | undefined; uid: string; resourceVersion: string };

function newEvent(
  { world, component, host }: EventRecorderOptions,
  kind: KindRef,
  { name, namespace, uid, resourceVersion }: About,
  said: Pick<Event, 'type' | 'reason' | 'message'>,
  now: string,
): Event {
  const suffix = Buffer.from(world.random.bytes(8)).toString('hex');
  const place = namespace === undefined ? {} : { namespace };
  return {
    apiVersion: 'v1',
    kind: 'Event',
    // Events about objects without a namespace live in `default`, where kubectl looks for them.
    metadata: { name: `${name.slice(0, 230)}.${suffix}`, namespace: namespace ?? 'default' },
    involvedObject: { apiVersion: apiVersionOf(kind), kind: kind.kind, name, ...place, uid, resourceVersion },
    ...said,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component, ...(host === undefined ? {} : { host }) },
    reportingComponent: component,
    reportingInstance: host ?? component,
  } as Event;
}

/** Writes a series to the server: the event when it is new, its count when it is known. */
async function write(client: Client, series: Series, now: string): Promise<void> {
  const { count } = series;
  const event = series.event();
  if (series.writtenCount > 0) {
    try {
      await client.mergePatch(Event, event.metadata, { count, lastTimestamp: now });
      return;
    } catch (error) {
      // Servers forget events after an hour or so: then it is told anew.
      if (!(error instanceof ApiError && error.code === 404)) throw error;
    }
  }
  await client.create(Event, { ...event, count, lastTimestamp: now });
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Refused for good: another attempt gets the same answer. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.code >= 400 && error.code < 500 && error.code !== 429;
}

/** Makes a recorder that writes one event after the other. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, world, lastPassMs = () => Number.NEGATIVE_INFINITY } = options;
  const { clock, random, log } = world;
  const memory = new Map<string, Series>();
  const queue = new Set<Series>();
  let draining: Promise<void> | undefined;
  const hurry = new AbortController();

  const send = async (series: Series): Promise<void> => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const sent = series.count;
      try {
        await write(client, series, timestamp(clock));
        series.writtenCount = sent;
        series.lastWrittenMs = clock.monotonic();
        return;
      } catch (error) {
        if (isFinal(error) || attempt === ATTEMPTS - 1) {
          log.debug('an event was given up', { reason: series.event().reason, error: String(error) });
          return;
        }
        await clock.sleep(backoffDelay(attempt, BACKOFF, random));
      }
    }
  };

  const pause = (delayMs: number): Promise<void> => clock.sleep(delayMs, hurry.signal).catch(() => {});
  const isPatient = (): boolean => queue.size < LITTLE_QUEUED && !hurry.signal.aborted;

  const giveWay = async ({ queuedMs }: Series): Promise<void> => {
    while (isPatient()) {
      const now = clock.monotonic();
      const quietMs = now - lastPassMs();
      if (quietMs >= QUIET_MS || now - queuedMs >= LONGEST_COURTESY_MS) return;
      await pause(QUIET_MS - quietMs);
    }
  };

  const drain = async (): Promise<void> => {
    await pause(COURTESY_MS);
    for (const series of queue) {
      await giveWay(series);
      // The oldest of too many is gone by now.
      if (!queue.delete(series)) continue;
      await send(series);
      if (queue.size > 0 && isPatient()) await pause(PACE_MS);
    }
    draining = undefined;
  };

  const enqueue = (series: Series): void => {
    const [oldest] = queue;
    if (queue.size >= LONGEST_QUEUE && oldest !== undefined) queue.delete(oldest);
    series.queuedMs = clock.monotonic();
    queue.add(series);
    draining ??= drain();
  };

  const repeat = (series: Series, now: number): void => {
    series.count += 1;
    series.lastSeenMs = now;
    if (series.cancelRecount !== undefined || queue.has(series)) return;
    series.cancelRecount = clock.after(Math.max(0, series.lastWrittenMs + RECOUNT_MS - now), () => {
      delete series.cancelRecount;
      enqueue(series);
    });
  };

  const remember = (id: string, series: Series): void => {
    memory.set(id, series);
    const [oldest] = memory;
    if (memory.size <= LONGEST_MEMORY || oldest === undefined) return;
    oldest[1].cancelRecount?.();
    memory.delete(oldest[0]);
  };

  return {
    record: (kind, object, type, reason, message) => {
      const said = { type, reason, message: message.slice(0, LONGEST_MESSAGE) };
      const id = JSON.stringify([object.metadata.uid, said]);
      const now = clock.monotonic();
      const known = memory.get(id);
      if (known !== undefined && now - known.lastSeenMs < SERIES_MS) {
        repeat(known, now);
        return;
      }
      known?.cancelRecount?.();
      memory.delete(id);
      const { name, namespace, uid, resourceVersion } = object.metadata;
      const at = timestamp(clock);
      const event = once(() => newEvent(options, kind, { name, namespace, uid, resourceVersion }, said, at));
      const series = { event, count: 1, writtenCount: 0, lastSeenMs: now, lastWrittenMs: now, queuedMs: now };
      remember(id, series);
      enqueue(series);
    },
    flush: async (limitMs) => {
      for (const series of memory.values()) series.cancelRecount?.();
      hurry.abort();
      const limit = new AbortController();
      const tooLong = clock.sleep(limitMs, limit.signal).catch(() => {});
      await Promise.race([draining ?? Promise.resolve(), tooLong]);
      limit.abort();
    },
  };
}
