/**
 * What JSON.parse does not tell of a text: keys written twice in one object (it keeps the last silently,
 * `fieldValidation=Strict` must see them), whole numbers it would round, how deep the nesting goes (before it can exhaust
 * the stack) and how many values there are (before they cost a hundred times the bytes of the text).
 */
import { isWide } from '../../schema/json.ts';

/** `duplicates` are paths like `spec.disks[0].name`, in order, at most 16; `wide`: there are whole numbers a double may not hold. */
export type JsonScan = { duplicates: string[]; depth: number; values: number; wide: boolean };

const duplicateLimit = 16;

/** One open object or array while scanning. */
type Frame = { array: boolean; path: string; index: number; keys: Set<string>; key: string };

/**
 * Reads a text once, without building values; it is left where it has more than `limit` of them. On a text that is no JSON the answer
 * means nothing.
 */
export function scanJson(text: string, limit = Number.POSITIVE_INFINITY): JsonScan {
  const duplicates: string[] = [];
  const stack: Frame[] = [];
  let depth = 0;
  let values = 1;
  let wide = false;
  let expectKey = false;
  for (let at = 0; at < text.length && values <= limit; at++) {
    const code = text.charCodeAt(at);
    const frame = stack[stack.length - 1];
    if (code === 0x22) {
      const end = endOfString(text, at);
      if (expectKey && frame !== undefined) enterKey(frame, keyOf(text.slice(at + 1, end)), duplicates);
      expectKey = false;
      at = end;
    } else if (code === 0x7b || code === 0x5b) {
      expectKey = code === 0x7b;
      values++;
      stack.push({ array: !expectKey, path: pathInto(frame), index: 0, keys: new Set(), key: '' });
      depth = Math.max(depth, stack.length);
    } else if (code === 0x7d || code === 0x5d) {
      stack.pop();
      expectKey = false;
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const end = endOfNumber(text, at);
      wide ||= isWide(text.slice(at, end));
      at = end - 1;
    } else if (code === 0x2c && frame !== undefined) {
      values++;
      if (frame.array) frame.index++;
      else expectKey = true;
    }
  }
  return { duplicates, depth, values, wide };
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && isNumeral(text.charCodeAt(at))) at++;
  return at;
}

/** Digits and `+-.eE`. */
function isNumeral(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2b ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x45 ||
    code === 0x65
  );
}

/** The same key may be spelled with and without escapes. */
function keyOf(raw: string): string {
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return raw;
  }
}

function enterKey(frame: Frame, key: string, found: string[]): void {
  if (frame.keys.has(key) && found.length < duplicateLimit) found.push(join(frame.path, key));
  frame.keys.add(key);
  frame.key = key;
}

function pathInto(frame: Frame | undefined): string {
  if (frame === undefined) return '';
  return frame.array ? `${frame.path}[${frame.index}]` : join(frame.path, frame.key);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** The place of the quote that ends a string: one with an even number of backslashes before it. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}
