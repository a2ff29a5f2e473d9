/**
 * Times and durations in rules, exact to the nanosecond as cel-go has them: those of the library hold milliseconds. `rewrite.ts` turns calls of
 * `timestamp` and `duration` to the functions here. https://github.com/google/cel-spec/blob/master/doc/langdef.md#abstract-types
 */
import type { Environment } from '@marcbachmann/cel-js';

/** A time: nanoseconds since 1970, and the minutes east of UTC that it was written with. */
export class Instant {
  readonly nanos: bigint;
  readonly east: number;
  constructor(nanos: bigint, east = 0) {
    if (nanos < earliest || nanos > latest) throw new Error('timestamp overflow');
    this.nanos = nanos;
    this.east = east;
  }
  valueOf(): bigint {
    return this.nanos;
  }
  /** By RFC 3339, in the zone it was written in. */
  toString(): string {
    const local = this.nanos + BigInt(this.east) * minute;
    const whole = new Date(Number(floor(local, million))).toISOString().slice(0, 19);
    return `${whole}${fraction(local - floor(local, second) * second)}${zoneOf(this.east)}`;
  }
}

/** A duration in nanoseconds. */
export class Span {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    if (BigInt.asIntN(64, nanos) !== nanos) throw new Error('duration overflow');
    this.nanos = nanos;
  }
  valueOf(): bigint {
    return this.nanos;
  }
  /** In seconds: `1.5s`. */
  toString(): string {
    const size = this.nanos < 0n ? -this.nanos : this.nanos;
    return `${this.nanos < 0n ? '-' : ''}${size / second}${fraction(size % second)}s`;
  }
}

/** What calls of `timestamp` and `duration` are written as. */
export const exactTimes: ReadonlyMap<string, string> = new Map([
  ['timestamp', 'exactTimestamp'],
  ['duration', 'exactDuration'],
]);

const million = 1_000_000n;
const second = 1_000_000_000n;
const minute = 60n * second;
const day = 1_440n * minute;
/** The first and the last moment of the years 1 to 9999. */
const earliest = BigInt(Date.parse('0001-01-01T00:00:00Z')) * million;
const latest = BigInt(Date.parse('9999-12-31T23:59:59Z')) * million + second - 1n;
const goUnits = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: million,
  s: second,
  m: minute,
  h: 60n * minute,
};
const words = {
  nano: 1n,
  micro: 1_000n,
  milli: million,
  sec: second,
  second,
  min: minute,
  minute,
  hr: 60n * minute,
};
const units: ReadonlyMap<string, bigint> = new Map(
  Object.entries({ ...goUnits, ...words, hour: 60n * minute, d: day, day, w: 7n * day, week: 7n * day }),
);

/** The time that a text by RFC 3339, or a day, says. Throws an Error for any other. */
export function readInstant(text: string): Instant {
  const [, date = '', time = '00:00:00', part = '', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)(?:[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d))?$/.exec(text) ?? [];
  const milliseconds = Date.parse(`${date}T${time}Z`);
  if (Number.isNaN(milliseconds)) throw new Error(`invalid timestamp: ${text}`);
  const east = /[zZ]/.test(zone) ? 0 : offsetMinutes(zone);
  const nanos = BigInt(milliseconds) * million + BigInt(part.slice(0, 9).padEnd(9, '0'));
  return new Instant(nanos - BigInt(east) * minute, east);
}

/** The duration that a text as Go writes them says: `1h30m`, `-1.5s`. Throws an Error for any other. */
export function readSpan(text: string): Span {
  const [, sign = '', size = ''] =
    /^([-+]?)(0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text) ?? [];
  if (size === '') throw new Error(`invalid duration: ${text}`);
  const nanos = added(size);
  return new Span(sign === '-' ? -nanos : nanos);
}

/** The duration of a field of format `duration`, which may have words for its units too: `3 days`. */
export function readDurationField(text: string): Span {
  return /\s|[dw]|[a-z]{3}/i.test(text) ? new Span(added(text.toLowerCase())) : readSpan(text);
}

function added(text: string): bigint {
  let nanos = 0n;
  for (const [, whole = '', decimals = '', unit = ''] of text.matchAll(/(\d*)\.?(\d*)\s*([a-zµμ]+)/g)) {
    const size = units.get(unit) ?? units.get(unit.replace(/s$/, ''));
    if (size === undefined) throw new Error(`invalid duration: ${text}`);
    const digits = decimals.slice(0, 18);
    nanos += BigInt(whole || '0') * size + (BigInt(digits || '0') * size) / 10n ** BigInt(digits.length);
  }
  return nanos;
}

/** Registers the types, their operators and their functions. */
export function registerTimes(environment: Environment): void {
  environment
    .registerType('Instant', Instant)
    .registerType('Span', Span)
    .registerFunction('exactTimestamp(string): Instant', readInstant)
    .registerFunction('exactTimestamp(Instant): Instant', (time: Instant) => time)
    .registerFunction('exactTimestamp(int): Instant', (seconds: bigint) => new Instant(seconds * second))
    .registerFunction('exactDuration(string): Span', readSpan)
    .registerFunction('exactDuration(Span): Span', (span: Span) => span)
    .registerFunction('exactDuration(int): Span', (nanos: bigint) => new Span(nanos))
    .registerFunction('string(Instant): string', String)
    .registerFunction('string(Span): string', String)
    .registerFunction('int(Instant): int', (time: Instant) => floor(time.nanos, second))
    .registerFunction('int(Span): int', (span: Span) => span.nanos)
    .registerOperator('Instant - Instant: Span', (a: Instant, b: Instant) => new Span(a.nanos - b.nanos))
    .registerOperator(
      'Instant - Span',
      later((a, b) => a - b),
    )
    .registerOperator(
      'Instant + Span',
      later((a, b) => a + b),
    )
    .registerOperator(
      'Span + Instant: Instant',
      (a: Span, b: Instant) => new Instant(a.nanos + b.nanos, b.east),
    )
    .registerOperator('Span + Span', (a: Span, b: Span) => new Span(a.nanos + b.nanos))
    .registerOperator('Span - Span', (a: Span, b: Span) => new Span(a.nanos - b.nanos));
  for (const type of ['Instant', 'Span']) {
    for (const [operator, holds] of Object.entries(comparisons)) {
      const compare = (a: Instant | Span, b: Instant | Span) => holds(a.nanos, b.nanos);
      environment.registerOperator(`${type} ${operator} ${type}`, compare);
    }
  }
  for (const [name, part] of Object.entries(partsOfTime)) {
    const get = (time: Instant, zone?: string) => BigInt(part(local(time, zone)));
    environment
      .registerFunction(`Instant.${name}(): int`, get)
      .registerFunction(`Instant.${name}(string): int`, get);
  }
  for (const [name, unit] of Object.entries(partsOfSpan)) {
    environment.registerFunction(`Span.${name}(): int`, (span: Span) => span.nanos / unit);
  }
}

function later(add: (a: bigint, b: bigint) => bigint): (time: Instant, span: Span) => Instant {
  return (time, span) => new Instant(add(time.nanos, span.nanos), time.east);
}

const comparisons: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  '==': (a, b) => a === b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

const partsOfTime: Readonly<Record<string, (local: Date) => number>> = {
  getFullYear: (at) => at.getUTCFullYear(),
  getMonth: (at) => at.getUTCMonth(),
  getDayOfYear: (at) => Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0, 1)) / 86_400_000),
  getDayOfMonth: (at) => at.getUTCDate() - 1,
  getDate: (at) => at.getUTCDate(),
  getDayOfWeek: (at) => at.getUTCDay(),
  getHours: (at) => at.getUTCHours(),
  getMinutes: (at) => at.getUTCMinutes(),
  getSeconds: (at) => at.getUTCSeconds(),
  getMilliseconds: (at) => at.getUTCMilliseconds(),
};
const partsOfSpan = {
  getHours: 60n * minute,
  getMinutes: minute,
  getSeconds: second,
  getMilliseconds: million,
};

/** The clock of a zone, `-02:00` or `Europe/Berlin`, read as if it were UTC. Throws a RangeError for a zone that is unknown. */
function local({ nanos }: Instant, zone = ''): Date {
  const at = new Date(Number(floor(nanos, million)));
  if (zone === '') return at;
  if (zone.includes(':')) return new Date(at.getTime() + offsetMinutes(zone) * 60_000);
  const shown = new Date(`${at.toLocaleString('en-US', { timeZone: zone })} UTC`);
  return new Date(shown.getTime() + at.getUTCMilliseconds());
}

function offsetMinutes(zone: string): number {
  const [, sign, hours, minutes] = /^([+-]?)(\d\d):(\d\d)$/.exec(zone) ?? [];
  if (hours === undefined) throw new RangeError(`invalid time zone: ${zone}`);
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

function zoneOf(east: number): string {
  if (east === 0) return 'Z';
  const [hours, minutes] = [Math.floor(Math.abs(east) / 60), Math.abs(east) % 60];
  return `${east < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`;
}

/** The decimals of a part of a second, without zeros at the end. */
function fraction(nanos: bigint): string {
  const digits = String(nanos).padStart(9, '0').replace(/0+$/, '');
  return digits === '' ? '' : `.${digits}`;
}

/** How many whole units before or at `nanos`: also of times before 1970. */
function floor(nanos: bigint, unit: bigint): bigint {
  const whole = nanos / unit;
  return nanos % unit < 0n ? whole - 1n : whole;
}
