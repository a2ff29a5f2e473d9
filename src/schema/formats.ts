/**
 * The string and number formats kube-apiserver checks; others are documentation.
 * Source: k8s.io/kube-openapi/pkg/validation/strfmt and apiextensions' supportedVersionedFormats.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';

type Format = (text: string) => boolean;

const hostnameLabel = /^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;
const dateTime =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)([.,]\d+)?)?([Zz]|[+-]\d\d:?\d\d)?$/;
const goDuration = /^[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;
const wordDuration =
  /^\s*\d+\s*(ns|us|µs|ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|nanos?|micros?|millis?)(\s*\d+\s*[a-zµ]+)*\s*$/i;

const stringFormats: Readonly<Record<string, Format>> = {
  bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
  uri: isUri,
  email: (text) => /^[^\s@<>"]+@[^\s@<>"]+$/.test(text),
  hostname: (text) => text.length <= 255 && text.split('.').every((label) => hostnameLabel.test(label)),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: (text) => /^([0-9a-f]{2}([:-]|$)){6}$/i.test(text) || /^([0-9a-f]{4}(\.|$)){3}$/i.test(text),
  uuid: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  uuid3: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  uuid4: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(text),
  uuid5: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(text),
  hexcolor: (text) => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
  byte: (text) => /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0,
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && isCalendarDay(text),
  'date-time': (text) => dateTime.test(text) && isCalendarDay(text.slice(0, 10)),
  datetime: (text) => dateTime.test(text) && isCalendarDay(text.slice(0, 10)),
  duration: (text) => goDuration.test(text) || wordDuration.test(text),
};

/** The check of a string format, or undefined for one that is documentation only. */
export function stringFormat(name: string): Format | undefined {
  return Object.hasOwn(stringFormats, name) ? stringFormats[name] : undefined;
}

/** The inclusive bounds of an integer format. For int64 they are those of a double: whole numbers beyond 64 bits come as such. */
export function integerBounds(name: string): { minimum: number; maximum: number } | undefined {
  if (name === 'int32') return { minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };
  if (name === 'int64') return { minimum: -(2 ** 63), maximum: 2 ** 63 };
  return undefined;
}

function isUri(text: string): boolean {
  // The URL parser forgives blanks and control characters, Go's does not.
  if ([...text].some((character) => character <= ' ' || character === '\u007f')) return false;
  return text.startsWith('/') || (/^[a-z][a-z0-9+.-]*:/i.test(text) && URL.canParse(text));
}

function isCidr(text: string): boolean {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const family = isIP(match?.[1] ?? '');
  return family !== 0 && Number(match?.[2]) <= (family === 4 ? 32 : 128);
}

function isCalendarDay(text: string): boolean {
  const month = Number(text.slice(5, 7));
  const day = Number(text.slice(8, 10));
  if (month < 1 || month > 12 || day < 1) return false;
  // Day 0 of the next month is the last of this one.
  return day <= 28 || day <= new Date(Date.UTC(Number(text.slice(0, 4)), month, 0)).getUTCDate();
}
