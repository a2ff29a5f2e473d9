/** Counts how long a guest was to run and how long it did not, by UTC day and month. Pure. */
import type { GroupAvailability, GuestAvailability } from '../../api/availability.ts';
import { timeOf } from '../../base/clock.ts';

type Counted = { expectedSeconds: number; downSeconds: number };
export type AvailabilityState = GuestAvailability['state'];

const DAY_MS = 86_400_000;
const DAYS = 30;
const MONTHS = 13;

/**
 * What is to be stored when the guest is seen in `state` at `now` (milliseconds since the Unix epoch): the time since the last look counts for
 * the state it was in. `before` itself while nothing has changed and the day is the same.
 */
export function countOn(
  before: GuestAvailability | undefined,
  state: AvailabilityState,
  now: number,
): GuestAvailability {
  const at = secondsOf(now);
  if (before === undefined) return { state, since: timeOf(at), days: [], months: [] };
  const since = Date.parse(before.since);
  // A clock that was set back takes nothing away.
  if (before.state === state && (dayOf(at) === dayOf(since) || at < since)) return before;
  const spells = before.state === 'NotExpected' ? [] : byDay(since, at);
  const isDown = before.state === 'Down';
  const days = new Map(before.days.map(({ day, ...counted }) => [day, counted]));
  const months = new Map(before.months.map(({ month, ...counted }) => [month, counted]));
  for (const { day, seconds } of spells) {
    add(days, day, seconds, isDown);
    add(months, day.slice(0, 7), seconds, isDown);
  }
  const firstDay = dayOf(at - (DAYS - 1) * DAY_MS);
  const firstMonth = monthBefore(at, MONTHS - 1);
  const kept = {
    days: sorted(days).flatMap(([day, counted]) => (day < firstDay ? [] : [{ day, ...counted }])),
    months: sorted(months).flatMap(([month, counted]) => (month < firstMonth ? [] : [{ month, ...counted }])),
  };
  return { state, since: timeOf(Math.max(at, since)), ...figuresOf([kept]), ...kept };
}

/** Of several guests together. */
export function figuresOf(all: readonly Pick<GuestAvailability, 'days' | 'months'>[]): GroupAvailability {
  const last30Days = share(all.flatMap(({ days }) => days));
  const lastYear = share(all.flatMap(({ months }) => months));
  return {
    ...(last30Days === undefined ? {} : { last30Days }),
    ...(lastYear === undefined ? {} : { lastYear }),
  };
}

/** When the day of UTC ends: by then the day's count is written. */
export function untilNextDay(now: number): number {
  return DAY_MS - (now % DAY_MS);
}

/** Rounded down: 100 is said of what was never down. */
function share(counted: readonly Counted[]): string | undefined {
  let expected = 0;
  let down = 0;
  for (const { expectedSeconds, downSeconds } of counted) {
    expected += expectedSeconds;
    down += downSeconds;
  }
  if (expected === 0) return undefined;
  return (Math.floor(((expected - down) / expected) * 100_000) / 1_000).toFixed(3);
}

function add(to: Map<string, Counted>, key: string, seconds: number, isDown: boolean): void {
  const { expectedSeconds, downSeconds } = to.get(key) ?? { expectedSeconds: 0, downSeconds: 0 };
  to.set(key, {
    expectedSeconds: expectedSeconds + seconds,
    downSeconds: downSeconds + (isDown ? seconds : 0),
  });
}

/** The time from one moment to another, day by day; of more than a year only the last. */
function byDay(from: number, to: number): { day: string; seconds: number }[] {
  const spells: { day: string; seconds: number }[] = [];
  for (let start = Math.max(from, to - 400 * DAY_MS); start < to; ) {
    const end = Math.min(to, start - (start % DAY_MS) + DAY_MS);
    spells.push({ day: dayOf(start), seconds: Math.round((end - start) / 1000) });
    start = end;
  }
  return spells;
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function monthBefore(at: number, months: number): string {
  const date = new Date(at);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
}

function secondsOf(now: number): number {
  return Math.floor(now / 1000) * 1000;
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
