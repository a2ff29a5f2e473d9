/** Counts requests under the names that kube-apiserver uses: https://kubernetes.io/docs/reference/instrumentation/metrics/ */
import type { Counter, Histogram, Labels, Metrics } from '../base/metrics.ts';
import type { RequestTarget } from './wire/target.ts';

/** Seconds, as kube-apiserver has them. */
const BOUNDS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

/** A request that has been answered. */
export type Answered = {
  /** As RBAC has it, such as `list`. */
  verb: string;
  target: RequestTarget | undefined;
  /** The resource and its subresource exist: what clients make up must not become labels. */
  isServed: boolean;
  isApply: boolean;
  code: number;
  tookMs: number;
};

/** As kube-apiserver writes them (its cleanVerb): anything else a client may name is `other`. */
const VERBS: ReadonlyMap<string, string> = new Map([
  ['create', 'POST'],
  ['update', 'PUT'],
  ...['delete', 'deletecollection', 'get', 'list', 'patch', 'post', 'put', 'watch'].map(
    (verb) => [verb, verb.toUpperCase()] as const,
  ),
]);

type Meters = { count: ReturnType<Counter['of']>; time: ReturnType<Histogram['of']> | undefined };

export function createRequestMetrics(metrics: Metrics): (request: Answered) => void {
  const total = metrics.counter('apiserver_request_total', 'Requests by verb, resource and code.');
  const times = metrics.histogram(
    'apiserver_request_duration_seconds',
    'Time from a request to its answer, of all but watches.',
    BOUNDS,
  );
  const known = new Map<string, Meters>();
  return (request) => {
    const verb = VERBS.get(request.verb) ?? 'other';
    const key = keyOf(request, verb);
    const meters = known.get(key) ?? metersOf(request, verb, { total, times });
    known.set(key, meters);
    meters.count();
    meters.time?.(request.tookMs / 1_000);
  };
}

function keyOf({ target, isServed, isApply, code }: Answered, verb: string): string {
  if (target?.type !== 'resource' || !isServed) return `${verb} ${code}`;
  const { group, version, resource, subresource } = target;
  return `${verb} ${code} ${isApply} ${scopeOf(target)} ${group} ${version} ${resource} ${subresource}`;
}

function metersOf(
  request: Answered,
  verb: string,
  { total, times }: { total: Counter; times: Histogram },
): Meters {
  const { target, isServed } = request;
  const about = target?.type === 'resource' && isServed ? target : undefined;
  const labels: Labels = {
    verb: request.isApply ? 'APPLY' : verb,
    ...{ group: about?.group ?? '', version: about?.version ?? '', resource: about?.resource ?? '' },
    ...{ subresource: about?.subresource ?? '', scope: about === undefined ? '' : scopeOf(about) },
    component: 'apiserver',
  };
  return {
    count: total.of({ ...labels, code: String(request.code) }),
    time: request.verb === 'watch' ? undefined : times.of(labels),
  };
}

function scopeOf({ name, namespace }: { name?: string; namespace?: string }): string {
  if (name !== undefined) return 'resource';
  return namespace === undefined ? 'cluster' : 'namespace';
}
