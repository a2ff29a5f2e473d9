import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringFormat } from '../../../src/schema/formats.ts';
import { compilePattern } from '../../../src/schema/patterns.ts';

describe('patterns', () => {
  const sources = [
    '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
    '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi)?$',
    'b+',
    '^$',
    '^([0-9a-f]{2}:){5}[0-9a-f]{2}$',
  ];

  test.each(sources)('%s matches as it does in JavaScript, where both grammars agree', (source) => {
    const pattern = compilePattern(source);
    const reference = new RegExp(source, 'u');
    fc.assert(
      fc.property(
        fc.stringMatching(/^[-a-f0-9:.KMGi b]{0,24}$/),
        (text) => pattern(text) === reference.test(text),
      ),
      { numRuns: 500 },
    );
  });

  test('an expression that would backtrack for ever takes linear time', () => {
    const start = performance.now();
    expect(compilePattern('^(a+)+$')(`${'a'.repeat(20_000)}b`)).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test('what is no RE2 expression is refused', () => {
    expect(() => compilePattern('(?=a)')).toThrow();
    expect(() => compilePattern('a(')).toThrow();
  });
});

describe('formats', () => {
  const table: Record<string, { good: string[]; bad: string[] }> = {
    'date-time': {
      good: ['2026-01-31T23:59:59Z', '2024-02-29T00:00:00.123+02:00'],
      bad: ['2026-02-29T00:00:00Z', '2026-01-31', '2026-01-31T24:00:00Z', '2026-13-01T00:00:00Z', ''],
    },
    date: { good: ['2024-02-29'], bad: ['2023-02-29', '2024-2-9'] },
    duration: { good: ['1h30m', '90s', '1.5h', '0', '3 days'], bad: ['', 'abc', '1x'] },
    ipv4: { good: ['10.0.0.1'], bad: ['10.0.0', '::1', '10.0.0.256'] },
    ipv6: { good: ['::1', 'fe80::1'], bad: ['10.0.0.1', ':::'] },
    cidr: { good: ['10.0.0.0/8', '::/0'], bad: ['10.0.0.0', '10.0.0.0/33', '::/129'] },
    mac: {
      good: ['52:54:00:12:34:56', '52-54-00-12-34-56', '5254.0012.3456'],
      bad: ['52:54:00:12:34', '52:54:00:12:34:zz'],
    },
    uuid: { good: ['123e4567-e89b-12d3-a456-426614174000'], bad: ['123e4567'] },
    hostname: { good: ['host.example.com', 'HOST'], bad: ['-a', 'a..b', 'a_b'] },
    byte: { good: ['aGVsbG8='], bad: ['', 'a', '!!!!'] },
    uri: { good: ['https://a/b', '/a', 'mailto:a@b'], bad: ['a b', 'nothing', ''] },
  };
  test.each(Object.entries(table))('%s', (name, { good, bad }) => {
    const format = stringFormat(name);
    expect(good.filter((text) => format?.(text) !== true)).toEqual([]);
    expect(bad.filter((text) => format?.(text) !== false)).toEqual([]);
  });

  test('a format nobody checks is documentation', () => {
    expect(stringFormat('kubernetes-thing')).toBeUndefined();
    expect(stringFormat('constructor')).toBeUndefined();
  });
});
