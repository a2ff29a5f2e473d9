/** Names of objects that are made for others and called after them, which may leave too little room. */
import { createHash } from 'node:crypto';
import { DOTTED_NAME } from './kind.ts';

/**
 * The name, if an object may have it; else as much of its beginning as there is room for, a hash, and what follows the last dash: by that they are told
 * apart, and counted.
 */
export function objectName(name: string): string {
  const { maxLength } = DOTTED_NAME;
  if (name.length <= maxLength) return name;
  const end = name.slice(name.lastIndexOf('-'));
  const what = name.slice(0, -end.length);
  const sum = createHash('sha256').update(what).digest('hex').slice(0, 12);
  const beginning = what.slice(0, maxLength - sum.length - end.length - 1).replace(/[-.]+$/, '');
  return `${beginning}-${sum}${end}`;
}
