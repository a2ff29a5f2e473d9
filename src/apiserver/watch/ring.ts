/** A bounded memory of the newest events, by which watchers that fell a little behind catch up without reading the store. */
import type { WatchEvent } from './events.ts';

/** What the ring may hold; whichever bound is met first. */
export type RingLimits = { events: number; bytes: number };

/** The ring. */
export type Ring = {
  push(event: WatchEvent): void;
  /**
   * The events after a revision, oldest first; undefined when some of them are no longer held. At most `limit` and what belongs to the
   * revision of the last of them.
   */
  after(revision: number, limit: number): readonly WatchEvent[] | undefined;
};

/** So many events are dropped before the array is cut. */
const maxDropped = 256;

/** Makes an empty ring; `revision` is the newest that it will not hold. */
export function createRing(limits: RingLimits, revision: number): Ring {
  let events: WatchEvent[] = [];
  let start = 0;
  let bytes = 0;
  let complete = revision;

  function dropOldest(): void {
    const oldest = events[start];
    if (oldest === undefined) return;
    complete = oldest.revision;
    bytes -= sizeOf(oldest);
    start++;
  }

  /** Shifting an array for each event would copy it: it is cut now and then, and what was dropped is held until then. */
  function tidy(): void {
    if (start < maxDropped) return;
    events = events.slice(start);
    start = 0;
  }

  return {
    push: (event) => {
      events.push(event);
      bytes += sizeOf(event);
      while (events.length - start > limits.events || (bytes > limits.bytes && events.length > start))
        dropOldest();
      tidy();
    },
    after: (since, limit) => {
      if (since < complete) return undefined;
      const first = firstAfter(events, start, since);
      const last = events[first + limit - 1];
      return events.slice(first, last === undefined ? undefined : firstAfter(events, first, last.revision));
    },
  };
}

function sizeOf({ change }: WatchEvent): number {
  const value = change.type === 'put' ? change.value.byteLength : 0;
  // Derived forms (parsed objects, lines) come on top; what watchers ask for is about as large again.
  return 2 * (value + (change.previous?.byteLength ?? 0)) + 512;
}

function firstAfter(events: readonly WatchEvent[], start: number, revision: number): number {
  let low = start;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle]?.revision ?? 0) <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
