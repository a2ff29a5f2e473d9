/** Durations as people write them in manifests: 500ms, 30s, 5m, 1h. */

export const DURATION_PATTERN = '^[0-9]{1,9}(\\.[0-9]{1,3})?(ms|s|m|h)$';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds. Throws on a text that is no duration. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = match?.[2];
  if (match === null || (unit !== 'ms' && unit !== 's' && unit !== 'm' && unit !== 'h'))
    throw new Error(`${text} is no duration: 500ms, 30s, 5m and 1h are`);
  return Math.round(Number(match[1]) * UNITS[unit]);
}
