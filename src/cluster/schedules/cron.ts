/**
 * Times by five fields as crontab(5) has them, in any time zone. A local time that a change of clocks leaves out does not come; one that it
 * repeats comes once, the first time. Pure.
 */
import { ReasonedError } from '../../base/outcome.ts';

export type Cron = {
  minutes: readonly number[];
  hours: readonly number[];
  daysOfMonth: ReadonlySet<number>;
  months: ReadonlySet<number>;
  /** 0 is Sunday. */
  daysOfWeek: ReadonlySet<number>;
  /** Both days are restricted: then either suffices. */
  eitherDay: boolean;
};

const DAY_MS = 86_400_000;
/** The 29th of February comes after eight years at the latest. */
const MOST_DAYS = 8 * 366 + 2;

/** Throws ReasonedError ScheduleInvalid with the field that is wrong. */
export function parseCron(text: string): Cron {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = text.trim().split(/ +/);
  const days = range(dayOfWeek, 'day of week', 0, 7).map((day) => day % 7);
  return {
    minutes: range(minute, 'minute', 0, 59),
    hours: range(hour, 'hour', 0, 23),
    daysOfMonth: new Set(range(dayOfMonth, 'day of month', 1, 31)),
    months: new Set(range(month, 'month', 1, 12)),
    daysOfWeek: new Set(days),
    eitherDay: !dayOfMonth.startsWith('*') && !dayOfWeek.startsWith('*'),
  };
}

function range(text: string, field: string, least: number, most: number): number[] {
  const wrong = () =>
    new ReasonedError(
      'ScheduleInvalid',
      `${JSON.stringify(text)} is no ${field}: ${least} to ${most}, *, a-b, */n`,
      {
        stalled: true,
      },
    );
  const values = text.split(',').flatMap((part) => {
    const found = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (found === null) throw wrong();
    const [, first, last, step] = found;
    const from = first === undefined ? least : Number(first);
    const to = last !== undefined ? Number(last) : first === undefined || step !== undefined ? most : from;
    const by = step === undefined ? 1 : Number(step);
    if (from < least || to > most || from > to || by < 1) throw wrong();
    return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, index) => from + index * by);
  });
  return [...new Set(values)].sort((a, b) => a - b);
}

/** A zone by its IANA name. Throws ReasonedError TimeZoneUnknown. */
export function zoneNamed(name: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
  } catch {
    throw new ReasonedError(
      'TimeZoneUnknown',
      `there is no time zone ${name} here: use a name such as Europe/Berlin`,
      {
        stalled: true,
      },
    );
  }
}

/** The first time after `after` (ms since the epoch); undefined when there is none: the 30th of February. */
export function nextTick(cron: Cron, zone: Intl.DateTimeFormat, after: number): number | undefined {
  const shown = localTime(zone, after);
  const today = Math.floor(shown / DAY_MS) * DAY_MS;
  for (let day = 0; day < MOST_DAYS; day += 1) {
    const midnight = today + day * DAY_MS;
    if (!isOnDay(cron, new Date(midnight))) continue;
    for (const hour of cron.hours) {
      for (const minute of cron.minutes) {
        const local = midnight + (hour * 60 + minute) * 60_000;
        // What clocks have shown already came at its first time, or does not come.
        const at = local > shown ? instantOf(zone, local) : undefined;
        if (at !== undefined && at > after) return at;
      }
    }
  }
  return undefined;
}

/** The last time after `after` and not after `until`. */
export function latestTick(
  cron: Cron,
  zone: Intl.DateTimeFormat,
  { after, until }: { after: number; until: number },
): number | undefined {
  let latest: number | undefined;
  for (
    let tick = nextTick(cron, zone, after);
    tick !== undefined && tick <= until;
    tick = nextTick(cron, zone, tick)
  ) {
    latest = tick;
  }
  return latest;
}

function isOnDay({ daysOfMonth, months, daysOfWeek, eitherDay }: Cron, day: Date): boolean {
  if (!months.has(day.getUTCMonth() + 1)) return false;
  const ofMonth = daysOfMonth.has(day.getUTCDate());
  const ofWeek = daysOfWeek.has(day.getUTCDay());
  return eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek;
}

/** What clocks in the zone show, as if it were UTC; whole minutes. */
export function localTime(zone: Intl.DateTimeFormat, at: number): number {
  const parts = new Map(zone.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'));
}

/** The first instant at which clocks in the zone show this; undefined when a change of clocks leaves it out. */
function instantOf(zone: Intl.DateTimeFormat, local: number): number | undefined {
  const offsets = [local - DAY_MS, local + DAY_MS].map((near) => localTime(zone, near) - near);
  const found = offsets.map((offset) => local - offset).filter((at) => localTime(zone, at) === local);
  return found.length === 0 ? undefined : Math.min(...found);
}
