import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, parseBytes, parseCpus, roundBytes } from '../../../src/base/quantity.ts';

describe('quantities', () => {
  it.each([
    ['1', 1],
    ['1k', 1000],
    ['1Ki', 1024],
    ['1.5Gi', 1_610_612_736],
    ['0.001k', 1],
    ['1500m', 2],
    ['8191Ti', 8191 * 2 ** 40],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(['', '-1', '1gb', '1 Gi', 'Gi', '1e3', '0x10', '9000Pi'])('refuses %j', (text) => {
    expect(() => parseBytes(text)).toThrow();
  });

  it('reads CPUs', () => {
    expect([parseCpus('500m'), parseCpus('2'), parseCpus('1.5')]).toEqual([0.5, 2, 1.5]);
  });

  it('writes bytes so that they read back the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 52 }), (bytes) => parseBytes(formatBytes(bytes)) === bytes),
    );
  });

  it('rounds for people', () => {
    expect([roundBytes(5_325_000_000), roundBytes(2 ** 30), roundBytes(12)]).toEqual(['4.96Gi', '1Gi', '12']);
  });
});
