/**
 * Kubernetes quantities in rules: the whole grammar of resource.Quantity, exact in BigInt down to nano.
 * https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library
 */
import type { Environment } from '@marcbachmann/cel-js';

/** A quantity in billionths. */
class Quantity {
  readonly nano: bigint;
  constructor(nano: bigint) {
    this.nano = nano;
  }
}

const one = 1_000_000_000n;
const suffixes: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1_000n,
  m: 1_000_000n,
  '': one,
  k: one * 10n ** 3n,
  M: one * 10n ** 6n,
  G: one * 10n ** 9n,
  T: one * 10n ** 12n,
  P: one * 10n ** 15n,
  E: one * 10n ** 18n,
  Ki: one * 2n ** 10n,
  Mi: one * 2n ** 20n,
  Gi: one * 2n ** 30n,
  Ti: one * 2n ** 40n,
  Pi: one * 2n ** 50n,
  Ei: one * 2n ** 60n,
};
const grammar = /^([+-]?)(\d{1,40})?(?:\.(\d{0,40}))?(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/;

export function registerQuantities(environment: Environment): void {
  const type = 'kubernetes.Quantity';
  environment
    .registerType(type, Quantity)
    .registerFunction(`quantity(string): ${type}`, (text: string) => {
      const quantity = parseQuantity(text);
      if (!quantity) throw new Error('quantities must match the regular expression of resource.Quantity');
      return quantity;
    })
    .registerFunction('isQuantity(string): bool', (text: string) => parseQuantity(text) !== undefined)
    .registerOperator(`${type} == ${type}`, (a: Quantity, b: Quantity) => a.nano === b.nano)
    .registerFunction(`${type}.isLessThan(${type}): bool`, (a: Quantity, b: Quantity) => a.nano < b.nano)
    .registerFunction(`${type}.isGreaterThan(${type}): bool`, (a: Quantity, b: Quantity) => a.nano > b.nano)
    .registerFunction(`${type}.compareTo(${type}): int`, (a: Quantity, b: Quantity) => sign(a.nano - b.nano))
    .registerFunction(
      `${type}.add(${type}): ${type}`,
      (a: Quantity, b: Quantity) => new Quantity(a.nano + b.nano),
    )
    .registerFunction(
      `${type}.sub(${type}): ${type}`,
      (a: Quantity, b: Quantity) => new Quantity(a.nano - b.nano),
    )
    .registerFunction(`${type}.add(int): ${type}`, (a: Quantity, b: bigint) => new Quantity(a.nano + b * one))
    .registerFunction(`${type}.sub(int): ${type}`, (a: Quantity, b: bigint) => new Quantity(a.nano - b * one))
    .registerFunction(`sign(${type}): int`, (a: Quantity) => sign(a.nano))
    .registerFunction(`${type}.isInteger(): bool`, (a: Quantity) => isInteger(a))
    .registerFunction(`${type}.asInteger(): int`, (a: Quantity) => {
      if (!isInteger(a)) throw new Error('cannot convert value to integer');
      return a.nano / one;
    })
    .registerFunction(`${type}.asApproximateFloat(): double`, (a: Quantity) => Number(a.nano) / Number(one));
}

function parseQuantity(text: string): Quantity | undefined {
  const match = grammar.exec(text);
  if (!match) return undefined;
  const [, signText, whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const power = exponent === undefined ? 0 : Number(exponent.slice(1));
  const unit = suffixes[suffix] ?? one;
  const scaled = BigInt(`${whole}${fraction}`) * unit * 10n ** BigInt(Math.max(power, 0));
  const divisor = 10n ** BigInt(fraction.length + Math.max(-power, 0));
  // What is finer than nano is rounded up, away from zero (resource.Quantity's ParseQuantity).
  const nano = (scaled + divisor - 1n) / divisor;
  return new Quantity(signText === '-' ? -nano : nano);
}

/** An integer that fits into 64 bits. */
function isInteger({ nano }: Quantity): boolean {
  return nano % one === 0n && BigInt.asIntN(64, nano / one) === nano / one;
}

function sign(value: bigint): bigint {
  if (value === 0n) return 0n;
  return value < 0n ? -1n : 1n;
}
