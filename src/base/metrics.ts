/**
 * Counts and measures of this process in the text format of Prometheus (version 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/). Pure: whoever serves it asks `render`.
 */

export type Labels = Readonly<Record<string, string>>;
export type Sample = { labels?: Labels; value: number };

export type Counter = {
  add(labels?: Labels, by?: number): void;
  /** Counts one of these labels, which are read once: for what happens often. */
  of(labels: Labels): () => void;
};
export type Histogram = {
  observe(value: number, labels?: Labels): void;
  /** Observes with these labels, which are read once. */
  of(labels: Labels): (value: number) => void;
};

/** Names are given once in a process: the same counter or histogram is returned to whoever asks for its name again. */
export type Metrics = {
  counter(name: string, help: string): Counter;
  /** `bounds`: upper bounds of the buckets, ascending; that of infinity is added. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram;
  /** Read whenever it is asked for; several may read for one name. Returns the end of it. */
  gauge(name: string, help: string, read: () => Iterable<Sample>): () => void;
  /** Everything there is, by name. */
  render(): string;
};

type Family = { help: string; type: 'counter' | 'gauge' | 'histogram'; lines(): Iterable<string> };

export function createMetrics(): Metrics {
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  const readers = new Map<string, Set<() => Iterable<Sample>>>();
  const families = new Map<string, Family>();
  return {
    counter: (name, help) => {
      const known = counters.get(name);
      if (known !== undefined) return known;
      const values = new Map<string, number>();
      const count = (key: string, by: number) => void values.set(key, (values.get(key) ?? 0) + by);
      const counter: Counter = {
        add: (labels, by = 1) => count(inBraces(labels), by),
        of: (labels) => {
          const key = inBraces(labels);
          return () => count(key, 1);
        },
      };
      counters.set(name, counter);
      const lines = () => [...values].map(([labels, value]) => `${name}${labels} ${numeral(value)}`);
      families.set(name, { help, type: 'counter', lines });
      return counter;
    },
    histogram: (name, help, bounds) => {
      const known = histograms.get(name);
      if (known !== undefined) return known;
      const { histogram, lines } = createHistogram(name, bounds);
      histograms.set(name, histogram);
      families.set(name, { help, type: 'histogram', lines });
      return histogram;
    },
    gauge: (name, help, read) => {
      const all = readers.get(name) ?? new Set();
      readers.set(name, all.add(read));
      const samples = () => [...all].flatMap((one) => [...one()]);
      const lines = () =>
        samples().map(({ labels, value }) => `${name}${inBraces(labels)} ${numeral(value)}`);
      families.set(name, { help, type: 'gauge', lines });
      return () => void all.delete(read);
    },
    render: () => {
      const text: string[] = [];
      for (const [name, { help, type, lines }] of [...families].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const found = [...lines()];
        if (found.length === 0) continue;
        text.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...found);
      }
      return text.map((line) => `${line}\n`).join('');
    },
  };
}

type Series = { labels: Labels; counts: number[]; sum: number; count: number };

function createHistogram(name: string, bounds: readonly number[]) {
  const all = new Map<string, Series>();
  const seriesOf = (labels: Labels): Series => {
    const key = inBraces(labels);
    const series = all.get(key) ?? { labels, counts: bounds.map(() => 0), sum: 0, count: 0 };
    all.set(key, series);
    return series;
  };
  const take = (series: Series, value: number): void => {
    const at = bounds.findIndex((bound) => value <= bound);
    if (at >= 0) series.counts[at] = (series.counts[at] ?? 0) + 1;
    series.sum += value;
    series.count += 1;
  };
  const histogram: Histogram = {
    observe: (value, labels = {}) => take(seriesOf(labels), value),
    of: (labels) => {
      const series = seriesOf(labels);
      return (value) => take(series, value);
    },
  };
  function* lines(): Iterable<string> {
    for (const [key, { labels, counts, sum, count }] of all) {
      let below = 0;
      for (const [index, bound] of bounds.entries()) {
        below += counts[index] ?? 0;
        yield `${name}_bucket${inBraces({ ...labels, le: numeral(bound) })} ${below}`;
      }
      yield `${name}_bucket${inBraces({ ...labels, le: '+Inf' })} ${count}`;
      yield `${name}_sum${key} ${numeral(sum)}`;
      yield `${name}_count${key} ${count}`;
    }
  }
  return { histogram, lines };
}

function inBraces(labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numeral(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
