/** `/metrics`, `/healthz` and `/readyz` of a role, on an address of this machine alone: who may read them elsewhere is for a proxy to decide. */
import { createServer, type Server } from 'node:http';
import process from 'node:process';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import { ReasonedError } from '../base/outcome.ts';
import { version } from './version.ts';

export type MonitoringAddress = { host: string; port: number };

const LOCAL = new Set(['127.0.0.1', '::1', 'localhost']);

/** Metrics of this process that every role has. */
export function roleMetrics(role: string): Metrics {
  const metrics = createMetrics();
  const startedAt = Date.now() / 1_000 - process.uptime();
  metrics.gauge('process_start_time_seconds', 'When the process began, seconds since the Unix epoch.', () => [
    { value: startedAt },
  ]);
  metrics.gauge('process_resident_memory_bytes', 'Memory the process has in use.', () => [
    { value: process.memoryUsage.rss() },
  ]);
  metrics.gauge('vireo_build_info', 'Version and role of the process; always 1.', () => [
    { labels: { version, role }, value: 1 },
  ]);
  return metrics;
}

/**
 * Listens until `close`. Throws a ReasonedError for an address that others can reach, or one that is taken: nothing of the role has begun then.
 * `isReady` answers /readyz.
 */
export async function serveMonitoring(
  { host, port }: MonitoringAddress,
  { metrics, isReady }: { metrics: Metrics; isReady(): boolean },
): Promise<{ port: number; close(): Promise<void> }> {
  if (!LOCAL.has(host)) {
    const message = `--metrics-address ${host}:${port} can be reached from other machines, and metrics name guests: use 127.0.0.1, with a proxy that authorises in front (such as kube-rbac-proxy)`;
    throw new ReasonedError('MetricsAddressNotLocal', message, { stalled: true });
  }
  const server = createServer((request, response) => {
    const answer = answerTo(request.method ?? '', request.url ?? '', metrics, isReady);
    response.writeHead(answer.status, { 'content-type': answer.type ?? 'text/plain; charset=utf-8' });
    response.end(request.method === 'HEAD' ? undefined : answer.text);
  });
  server.requestTimeout = 10_000;
  await listen(server, host, port);
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type Answer = { status: number; text: string; type?: string };

function answerTo(method: string, url: string, metrics: Metrics, isReady: () => boolean): Answer {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'only GET\n' };
  switch (url.split('?')[0]) {
    case '/metrics':
      return { status: 200, text: metrics.render(), type: 'text/plain; version=0.0.4; charset=utf-8' };
    case '/healthz':
      return { status: 200, text: 'ok' };
    case '/readyz':
      return isReady() ? { status: 200, text: 'ok' } : { status: 500, text: 'not ready yet\n' };
    default:
      return { status: 404, text: 'there are /metrics, /healthz and /readyz\n' };
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const message = `cannot listen on --metrics-address ${host}:${port}: ${error.message}`;
      reject(new ReasonedError('MetricsAddressTaken', message, { stalled: true }));
    });
    server.listen({ host, port }, resolve);
  });
}
