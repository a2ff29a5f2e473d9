/** What a role answers to whoever watches over it. */
import { expect, it } from 'vitest';
import { roleMetrics, serveMonitoring } from '../../../src/main/monitoring.ts';

it('answers metrics, and whether it is alive and ready, until it is closed', async () => {
  let ready = false;
  const metrics = roleMetrics('manager');
  const monitoring = await serveMonitoring({ host: '127.0.0.1', port: 0 }, { metrics, isReady: () => ready });
  const ask = (path: string, method = 'GET') =>
    fetch(`http://127.0.0.1:${monitoring.port}${path}`, { method });
  const answer = await ask('/metrics');
  expect(answer.headers.get('content-type')).toContain('version=0.0.4');
  expect(await answer.text()).toMatch(/^vireo_build_info\{version="[^"]+",role="manager"\} 1$/m);
  const status = async (path: string, method?: string) => (await ask(path, method)).status;
  expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 500]);
  ready = true;
  expect(await status('/readyz')).toBe(200);
  expect([await status('/secrets'), await status('/metrics', 'POST')]).toEqual([404, 405]);
  await monitoring.close();
  await expect(ask('/healthz')).rejects.toThrow();
});

it('refuses an address that others can reach, and one that is taken, before the role begins', async () => {
  const at = (host: string, port: number) =>
    serveMonitoring({ host, port }, { metrics: roleMetrics('agent'), isReady: () => true });
  await expect(at('0.0.0.0', 0)).rejects.toThrow('can be reached from other machines');
  const first = await at('127.0.0.1', 0);
  await expect(at('127.0.0.1', first.port)).rejects.toThrow('cannot listen on --metrics-address');
  await first.close();
});
