/** List functions of Kubernetes and the sets extension of CEL. */
import type { Environment } from '@marcbachmann/cel-js';
import { equalCel } from './equal.ts';
import { type Instant, Span } from './times.ts';

/** The object behind the name `sets` in rules. */
class SetsNamespace {}

type Comparable = bigint | number | string | boolean | Instant | Span;

export function registerLists(environment: Environment): void {
  environment
    .registerFunction('list<dyn>.isSorted(): bool', isSorted)
    .registerFunction('list<dyn>.sum(): dyn', sum)
    .registerFunction('list<dyn>.min(): dyn', (list: Comparable[]) => extreme('min', list, (a, b) => a < b))
    .registerFunction('list<dyn>.max(): dyn', (list: Comparable[]) => extreme('max', list, (a, b) => a > b))
    .registerFunction('list<dyn>.indexOf(dyn): int', (list: unknown[], item: unknown) =>
      BigInt(list.findIndex((other) => equalCel(other, item))),
    )
    .registerFunction('list<dyn>.lastIndexOf(dyn): int', (list: unknown[], item: unknown) =>
      BigInt(list.findLastIndex((other) => equalCel(other, item))),
    )
    .registerType('SetsNamespace', SetsNamespace)
    .registerConstant('sets', 'SetsNamespace', new SetsNamespace())
    .registerFunction(
      'SetsNamespace.contains(list<dyn>, list<dyn>): bool',
      (_: unknown, list: unknown[], items: unknown[]) => items.every((item) => has(list, item)),
    )
    .registerFunction(
      'SetsNamespace.intersects(list<dyn>, list<dyn>): bool',
      (_: unknown, list: unknown[], items: unknown[]) => items.some((item) => has(list, item)),
    )
    .registerFunction(
      'SetsNamespace.equivalent(list<dyn>, list<dyn>): bool',
      (_: unknown, left: unknown[], right: unknown[]) =>
        left.every((item) => has(right, item)) && right.every((item) => has(left, item)),
    );
}

function has(list: readonly unknown[], item: unknown): boolean {
  return list.some((other) => equalCel(other, item));
}

function isSorted(list: readonly Comparable[]): boolean {
  return list.every((item, index) => {
    const before = list[index - 1];
    return before === undefined || before <= item;
  });
}

function sum(list: readonly unknown[]): bigint | number | Span {
  if (list[0] instanceof Span)
    return list.reduce<Span>((total, item) => new Span(total.nanos + (item as Span).nanos), new Span(0n));
  if (list.every((item) => typeof item === 'bigint')) return list.reduce((total, item) => total + item, 0n);
  return list.reduce<number>((total, item) => total + Number(item), 0);
}

function extreme(
  name: string,
  list: readonly Comparable[],
  beats: (a: Comparable, b: Comparable) => boolean,
): Comparable {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error(`${name} called on empty list`);
  return rest.reduce((best, item) => (beats(item, best) ? item : best), first);
}
