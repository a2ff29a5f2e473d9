/** What the engine measures of its controllers, under the names of controller-runtime: dashboards and alerts made for those fit. */
import type { Clock } from '../base/clock.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Disposition, Queue } from './queue.ts';

/** Of controller-runtime's reconcile times, seconds. */
const PASS_BOUNDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
/** Of client-go's work queues, seconds. */
const QUEUE_BOUNDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10, 100, 1000];

/** What a queue tells of itself. */
export type QueueMeter = {
  added(): void;
  /** A key was taken to be worked on, so long after it was added. */
  taken(waitedMs: number): void;
};

export type UnitMeter = QueueMeter & {
  /** Work on one key has ended; measured by the clock of the engine. */
  passed(tookMs: number, disposition: Disposition): void;
  /** Depth and workers are read from this queue. Returns the end of it. */
  watch(queue: Pick<Queue, 'size'>): () => void;
};

/** The meter of one controller; without `metrics` it measures nothing. */
export function createUnitMeter(
  metrics: Metrics | undefined,
  controller: string,
  concurrency: number,
): UnitMeter | undefined {
  if (metrics === undefined) return undefined;
  const of = { controller };
  const queue = { name: controller, controller };
  const passes = metrics.counter(
    'controller_runtime_reconcile_total',
    'Passes over objects, by how they ended.',
  );
  const errors = metrics.counter('controller_runtime_reconcile_errors_total', 'Passes that failed.');
  const times = metrics.histogram(
    'controller_runtime_reconcile_time_seconds',
    'Time that passes took.',
    PASS_BOUNDS,
  );
  const adds = metrics.counter('workqueue_adds_total', 'Keys added to the queue.');
  const retries = metrics.counter('workqueue_retries_total', 'Keys that wait for another try.');
  const waits = metrics.histogram(
    'workqueue_queue_duration_seconds',
    'Time from when a key was added to when it was taken.',
    QUEUE_BOUNDS,
  );
  const works = metrics.histogram(
    'workqueue_work_duration_seconds',
    'Time that work on a key took.',
    QUEUE_BOUNDS,
  );
  return {
    added: () => adds.add(queue),
    taken: (waitedMs) => waits.observe(waitedMs / 1_000, queue),
    passed: (tookMs, disposition) => {
      passes.add({ ...of, result: resultOf(disposition) });
      times.observe(tookMs / 1_000, of);
      works.observe(tookMs / 1_000, queue);
      if (disposition.type !== 'retry') return;
      errors.add(of);
      retries.add(queue);
    },
    watch: ({ size }) => {
      const gauges = [
        metrics.gauge('workqueue_depth', 'Keys that wait to be taken.', () => [
          { labels: queue, value: size().ready },
        ]),
        metrics.gauge('controller_runtime_active_workers', 'Passes under way.', () => [
          { labels: of, value: size().running },
        ]),
        metrics.gauge(
          'controller_runtime_max_concurrent_reconciles',
          'Passes that may be under way at the same time.',
          () => [{ labels: of, value: concurrency }],
        ),
      ];
      return () => {
        for (const end of gauges) end();
      };
    },
  };
}

function resultOf(disposition: Disposition): 'success' | 'error' | 'requeue' | 'requeue_after' {
  switch (disposition.type) {
    case 'forget':
      return 'success';
    case 'after':
      return disposition.isResync === true ? 'success' : 'requeue_after';
    case 'again':
      return 'requeue';
    case 'retry':
      return 'error';
    default:
      return disposition satisfies never;
  }
}

/** Works as `work` does, and measures it. */
export function measured(
  meter: UnitMeter | undefined,
  clock: Clock,
  work: (key: string) => Promise<Disposition>,
): (key: string) => Promise<Disposition> {
  if (meter === undefined) return work;
  return async (key) => {
    const begun = clock.monotonic();
    const disposition = await work(key);
    meter.passed(clock.monotonic() - begun, disposition);
    return disposition;
  };
}
