/** What an engine measures of its controllers, under the names that dashboards of controller-runtime know. */
import { expect, it } from 'vitest';
import { createMetrics } from '../../../src/base/metrics.ts';
import { done, failed, waiting } from '../../../src/base/outcome.ts';
import { Guest, guest } from '../client/guests.ts';
import { createLab } from './lab.ts';

it('passes are counted by how they ended, with their time and what waits', async () => {
  const metrics = createMetrics();
  const lab = createLab({ metrics });
  for (const name of ['well', 'waits', 'fails', 'slow1', 'slow2']) lab.user.seed(Guest, guest(name));
  lab.add({
    concurrency: 1,
    reconcile: async ({ object: { metadata } }) => {
      if (metadata.name === 'waits') return { outcome: waiting('Later', '', 3_600_000) };
      if (metadata.name === 'fails') return { outcome: failed('Broken', '') };
      if (metadata.name.startsWith('slow')) await lab.clock.sleep(2_000);
      return { outcome: done };
    },
  });
  await lab.start();
  const line = (start: string) =>
    metrics
      .render()
      .split('\n')
      .filter((text) => text.startsWith(start));
  expect(line('workqueue_depth')).toEqual(['workqueue_depth{name="guests",controller="guests"} 3']);
  expect(line('controller_runtime_active_workers')).toEqual([
    'controller_runtime_active_workers{controller="guests"} 1',
  ]);
  await lab.clock.advance(4_100);
  const total = (result: string) =>
    line(`controller_runtime_reconcile_total{controller="guests",result="${result}"}`)[0]?.split(' ')[1];
  expect([total('success'), total('requeue_after'), Number(total('error')) > 1]).toEqual(['3', '1', true]);
  expect(line('controller_runtime_reconcile_errors_total')[0]?.split(' ')[1]).toBe(total('error'));
  expect(line('controller_runtime_reconcile_time_seconds_bucket{controller="guests",le="1.75"}')).not.toEqual(
    line('controller_runtime_reconcile_time_seconds_bucket{controller="guests",le="2"}'),
  );
  lab.stop.abort();
  await lab.clock.advance(0);
  expect(line('workqueue_depth')).toEqual([]);
});
