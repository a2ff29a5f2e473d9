/**
 * JSON with whole numbers of 64 bits, as Go programs read and write it. A whole number a double may not hold exactly becomes a
 * BigInt, every other number stays a number; beyond 64 bits Go falls back to a double too. Texts without such numbers, which are
 * nearly all, cost what JSON.parse and JSON.stringify cost.
 */
import { isObject } from './values.ts';

/** Whole numbers of fewer characters are all held exactly by a double. */
const shortestWide = 16;

/** True for the text of a JSON number that becomes a BigInt. */
export function isWide(text: string): boolean {
  if (text.length < shortestWide || !/^-?\d{16,19}$/.test(text) || Number.isSafeInteger(Number(text)))
    return false;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value;
}

/** A whole number of 64 bits: a number where that is exact, else a BigInt. */
export function fromInt64(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Strings with the colon that makes them keys, and numbers. */
const tokens = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d[\d.eE+-]*/g;

/**
 * Parses JSON that may hold wide numbers, several times slower than JSON.parse: that one drops their digits before anybody
 * sees them, so they travel through it as strings, told apart by a mark that other strings are freed of the danger to have.
 */
export function parseWide(text: string): unknown {
  const marked = text.replace(tokens, (token: string, string?: string, colon?: string) => {
    if (string === undefined) return isWide(token) ? `"#n${token}"` : token;
    const first = string.charAt(1);
    return colon === undefined && (first === '#' || first === '\\') ? `"#s${string.slice(1)}` : token;
  });
  return JSON.parse(marked, (_name, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith('#')) return value;
    return value.startsWith('#n') ? BigInt(value.slice(2)) : value.slice(2);
  });
}

/** The text of a JSON value, BigInts as whole numbers. Undefined in an object leaves its field out, elsewhere it is null. */
export function printJson(value: unknown): string {
  return printPlain(value) ?? printWide(value);
}

/** The same for texts of our own, which parseMarked reads: one with wide numbers begins with a blank. */
export function printMarked(value: unknown): string {
  return printPlain(value) ?? ` ${printWide(value)}`;
}

/** Parses what printMarked wrote; only a text that says so is parsed the slow way. */
export function parseMarked(text: string): unknown {
  return text.startsWith(' ') ? parseWide(text) : JSON.parse(text);
}

/** Undefined when there is a BigInt, which JSON.stringify refuses: no value has to be searched for one beforehand. */
function printPlain(value: unknown): string | undefined {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function printWide(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(printWide).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${printWide(field)}`).join(',')}}`;
}
