/** Compares an answer with what a case expects; returns the differences as sentences. */

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function differences(actual: unknown, expected: unknown, path = 'body'): string[] {
  if (expected === '<absent>')
    return actual === undefined ? [] : [`${path} is there: ${JSON.stringify(actual)}`];
  if (actual === undefined) return [`${path} is missing`];
  if (expected === '<any>') return [];
  if (typeof expected === 'string' && /^\/.+\/$/s.test(expected)) {
    return new RegExp(expected.slice(1, -1)).test(String(actual))
      ? []
      : [`${path} is ${JSON.stringify(actual)} and does not match ${expected}`];
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return [`${path} is no list: ${JSON.stringify(actual)}`];
    const length =
      actual.length === expected.length ? [] : [`${path} has ${actual.length} items, not ${expected.length}`];
    return [
      ...length,
      ...expected.flatMap((item, index) =>
        index < actual.length ? differences(actual[index], item, `${path}[${index}]`) : [],
      ),
    ];
  }
  if (isRecord(expected)) {
    if (!isRecord(actual)) return [`${path} is no object: ${JSON.stringify(actual)}`];
    return Object.entries(expected).flatMap(([key, value]) =>
      differences(actual[key], value, `${path}.${key}`),
    );
  }
  return actual === expected ? [] : [`${path} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
}

/** The value at `a.b.0.c`. */
export function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => {
    if (Array.isArray(at)) return at[Number(key)];
    return isRecord(at) ? at[key] : undefined;
  }, value);
}
