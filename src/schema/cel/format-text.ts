/** `string.format(list)` of CEL's strings extension: `%s %d %f %e %b %x %X %o`. */
import { isObject } from '../values.ts';

/** Throws for a verb that is unknown or has no argument of its kind. */
export function formatText(template: string, values: readonly unknown[]): string {
  let next = 0;
  const text = template.replace(/%(?:\.(\d+))?(.)|%$/gs, (_, precision: string | undefined, verb = '') => {
    if (verb === '%') return '%';
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    return formatOne(verb, precision === undefined ? undefined : Number(precision), values[next++]);
  });
  return text;
}

function formatOne(verb: string, precision: number | undefined, value: unknown): string {
  switch (verb) {
    case 's':
      return plain(value);
    case 'd':
      return String(integer(verb, value));
    case 'f':
      return number(verb, value).toFixed(precision ?? 6);
    case 'e':
      return number(verb, value)
        .toExponential(precision ?? 6)
        .replace(/e([+-])(\d)$/, 'e$10$2');
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : integer(verb, value).toString(2);
    case 'o':
      return integer(verb, value).toString(8);
    case 'x':
      return hex(value);
    case 'X':
      return hex(value).toUpperCase();
    default:
      throw new Error(`unrecognized formatting clause "${verb}"`);
  }
}

/** A value as %s prints it. */
function plain(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(', ')}]`;
  if (isObject(value) && Object.getPrototypeOf(value) === Object.prototype) {
    const names = Object.keys(value).sort();
    return `{${names.map((name) => `${name}: ${plain(value[name])}`).join(', ')}}`;
  }
  return String(value);
}

function integer(verb: string, value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  throw new Error(`%${verb} wants an integer, got ${plain(value)}`);
}

function number(verb: string, value: unknown): number {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  throw new Error(`%${verb} wants a number, got ${plain(value)}`);
}

function hex(value: unknown): string {
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return integer('x', value).toString(16);
}
