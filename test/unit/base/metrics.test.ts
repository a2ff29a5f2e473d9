/** The text that Prometheus reads: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/base/metrics.ts';

describe('metrics as text', () => {
  it('has each name once, with its help and type, in the order of names', () => {
    const metrics = createMetrics();
    metrics.gauge('b', 'Read when asked.', () => [{ value: 2.5 }]);
    const passes = metrics.counter('a_total', 'Counted.');
    passes.add({ result: 'success' });
    metrics.counter('a_total', 'Counted.').add({ result: 'success' }, 2);
    passes.add({ result: 'error' });
    expect(metrics.render()).toBe(
      [
        '# HELP a_total Counted.',
        '# TYPE a_total counter',
        'a_total{result="success"} 3',
        'a_total{result="error"} 1',
        '# HELP b Read when asked.',
        '# TYPE b gauge',
        'b 2.5',
        '',
      ].join('\n'),
    );
  });

  it('keeps what stands in a label or a help text from ending it', () => {
    const metrics = createMetrics();
    metrics.gauge('g', 'a\\b\nc', () => [{ labels: { name: 'a"b\\c\nd' }, value: 1 }]);
    expect(metrics.render()).toBe('# HELP g a\\\\b\\nc\n# TYPE g gauge\ng{name="a\\"b\\\\c\\nd"} 1\n');
  });

  it('counts in a bucket what is at most its bound, and in all above', () => {
    const metrics = createMetrics();
    const times = metrics.histogram('t_seconds', 'Time.', [0.1, 1]);
    for (const value of [0.1, 0.5, 7]) times.observe(value, { controller: 'hosts' });
    expect(metrics.render().split('\n').slice(2, -1)).toEqual([
      't_seconds_bucket{controller="hosts",le="0.1"} 1',
      't_seconds_bucket{controller="hosts",le="1"} 2',
      't_seconds_bucket{controller="hosts",le="+Inf"} 3',
      't_seconds_sum{controller="hosts"} 7.6',
      't_seconds_count{controller="hosts"} 3',
    ]);
  });

  it('says nothing of what nobody reads any more', () => {
    const metrics = createMetrics();
    const end = metrics.gauge('g', 'Ends.', () => [{ labels: { of: 'first' }, value: 1 }]);
    metrics.gauge('g', 'Ends.', () => [{ labels: { of: 'second' }, value: 1 }]);
    end();
    expect(metrics.render()).toContain('g{of="second"} 1');
    expect(metrics.render()).not.toContain('first');
  });
});
