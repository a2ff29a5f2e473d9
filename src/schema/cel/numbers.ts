/** The math and base64 extensions of CEL. */
import type { Environment } from '@marcbachmann/cel-js';

class MathNamespace {}
class Base64Namespace {}

type CelNumber = bigint | number;

export function registerNumbers(environment: Environment): void {
  const round = (name: string, compute: (value: number) => number) =>
    environment.registerFunction(`MathNamespace.${name}(double): double`, (_: unknown, value: number) =>
      compute(value),
    );

  environment
    .registerType('MathNamespace', MathNamespace)
    .registerConstant('math', 'MathNamespace', new MathNamespace())
    .registerFunction('MathNamespace.greatest(dyn, dyn): dyn', (_: unknown, a: CelNumber, b: CelNumber) =>
      a >= b ? a : b,
    )
    .registerFunction('MathNamespace.greatest(list<dyn>): dyn', (_: unknown, list: CelNumber[]) =>
      best('greatest', list, (a, b) => a >= b),
    )
    .registerFunction('MathNamespace.least(dyn, dyn): dyn', (_: unknown, a: CelNumber, b: CelNumber) =>
      a <= b ? a : b,
    )
    .registerFunction('MathNamespace.least(list<dyn>): dyn', (_: unknown, list: CelNumber[]) =>
      best('least', list, (a, b) => a <= b),
    )
    .registerFunction('MathNamespace.abs(dyn): dyn', (_: unknown, value: CelNumber) =>
      value < 0 ? -value : value,
    )
    .registerFunction('MathNamespace.sign(dyn): dyn', (_: unknown, value: CelNumber) => sign(value));
  round('ceil', Math.ceil);
  round('floor', Math.floor);
  round('trunc', Math.trunc);
  // Half away from zero, as Go's math.Round; JavaScript rounds half up.
  round('round', (value) => Math.sign(value) * Math.round(Math.abs(value)));

  environment
    .registerType('Base64Namespace', Base64Namespace)
    .registerConstant('base64', 'Base64Namespace', new Base64Namespace())
    .registerFunction('Base64Namespace.encode(bytes): string', (_: unknown, bytes: Uint8Array) =>
      Buffer.from(bytes).toString('base64'),
    )
    .registerFunction('Base64Namespace.decode(string): bytes', (_: unknown, text: string) => decode(text));
}

function best(
  name: string,
  list: readonly CelNumber[],
  beats: (a: CelNumber, b: CelNumber) => boolean,
): CelNumber {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error(`math.${name}() called on an empty list`);
  return rest.reduce((found, item) => (beats(found, item) ? found : item), first);
}

function sign(value: CelNumber): CelNumber {
  if (typeof value === 'number') return Math.sign(value);
  if (value === 0n) return 0n;
  return value < 0n ? -1n : 1n;
}

function decode(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error('illegal base64 data');
  return new Uint8Array(Buffer.from(text, 'base64'));
}
