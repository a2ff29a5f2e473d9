/**
 * Kubernetes quantities, exact: `1.5Gi`, `500m`, `2k`. Parsed to thousandths in BigInt, so nothing is lost above 2^53.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */

const SUFFIX: Readonly<Record<string, bigint>> = {
  m: 1n,
  '': 1_000n,
  k: 1_000_000n,
  M: 10n ** 9n,
  G: 10n ** 12n,
  T: 10n ** 15n,
  P: 10n ** 18n,
  Ki: 1_000n * 2n ** 10n,
  Mi: 1_000n * 2n ** 20n,
  Gi: 1_000n * 2n ** 30n,
  Ti: 1_000n * 2n ** 40n,
  Pi: 1_000n * 2n ** 50n,
};

/** The value in thousandths, or undefined when the text is no quantity (negative ones are none here). */
function parseMilli(text: string): bigint | undefined {
  const match = /^(\d+)(?:\.(\d{1,9}))?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/.exec(text);
  if (match === null) return undefined;
  const [, whole = '0', fraction = '', suffix = ''] = match;
  const unit = SUFFIX[suffix];
  if (unit === undefined) return undefined;
  const digits = BigInt(whole + fraction) * unit;
  const divisor = 10n ** BigInt(fraction.length);
  return (digits + divisor - 1n) / divisor;
}

/** Bytes of a quantity such as `20Gi`, rounded up; throws on anything else. Exact up to 2^53. */
export function parseBytes(text: string): number {
  const milli = parseMilli(text);
  if (milli === undefined) throw new Error(`"${text}" is not a quantity such as 512Mi or 20Gi`);
  const bytes = (milli + 999n) / 1000n;
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`"${text}" is larger than 8 PiB`);
  return Number(bytes);
}

/** CPUs of a quantity such as `500m` or `1.5`; throws on anything else. */
export function parseCpus(text: string): number {
  const milli = parseMilli(text);
  if (milli === undefined) throw new Error(`"${text}" is not an amount of CPUs such as 500m or 1.5`);
  return Number(milli) / 1000;
}

/** Bytes as the largest binary unit that holds them exactly: 1073741824 is `1Gi`, 1000 is `1000`. */
export function formatBytes(bytes: number): string {
  for (const unit of ['Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const) {
    const factor = Number((SUFFIX[unit] ?? 1n) / 1000n);
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** Bytes rounded for people: three digits and a binary unit, `4.96Gi`. */
export function roundBytes(bytes: number): string {
  for (const unit of ['Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const) {
    const factor = Number((SUFFIX[unit] ?? 1n) / 1000n);
    if (bytes >= factor) return `${Number((bytes / factor).toPrecision(3))}${unit}`;
  }
  return String(Math.round(bytes));
}
