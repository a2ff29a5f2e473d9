/** What the audit log says of a request: an audit.k8s.io Event of level Metadata, so that readers of Kubernetes' logs read ours. No bodies. */
import type { User } from '../access/user.ts';
import type { RequestTarget } from '../wire/target.ts';

/** A request that has been answered. */
export type Audited = {
  id: string;
  method: string;
  /** Path and query as sent. */
  uri: string;
  verb: string;
  target: RequestTarget | undefined;
  user: User | undefined;
  /** In whose name the user asked. */
  impersonated: User | undefined;
  /** Why it was allowed or refused; undefined when it did not come so far. */
  decision: { allowed: boolean; reason: string } | undefined;
  address: string | undefined;
  userAgent: string | undefined;
  code: number;
  /** What admission said of it. */
  annotations: ReadonlyMap<string, string>;
  /** Wall clock, ms. */
  receivedMs: number;
  answeredMs: number;
};

/** Renewed every few seconds by everybody alive; they would push all else out of a log of bounded size. */
const noise = new Set(['coordination.k8s.io/leases', '/events', 'events.k8s.io/events']);
const reading = new Set(['get', 'list', 'watch', 'head', 'options']);
/** Questions change nothing. TokenReviews and requests for tokens are worth a line all the same. */
const questions = new Set([
  'authentication.k8s.io/selfsubjectreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authorization.k8s.io/subjectaccessreviews',
]);

/** True for what is logged: refusals, changes, tokens given out, reads of Secrets, and whatever admission wants to be known. */
export function isNotable({
  code,
  verb,
  target,
  annotations,
}: Pick<Audited, 'code' | 'verb' | 'target' | 'annotations'>): boolean {
  if (code === 401 || code === 403 || annotations.size > 0) return true;
  if (target?.type !== 'resource') return false;
  const resource = `${target.group}/${target.resource}`;
  if (resource === '/secrets') return true;
  return !reading.has(verb) && !noise.has(resource) && !questions.has(resource);
}

/** Paths and header values are cut here: a client must not fill the log with one request. */
const textLimit = 2048;
const cut = (text: string) => (text.length > textLimit ? text.slice(0, textLimit) : text);

/** The event. */
export function auditEvent(request: Audited): object {
  const { user, impersonated, target, decision } = request;
  const iso = (ms: number) => new Date(ms).toISOString().replace('Z', '000Z');
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: request.id,
    stage: 'ResponseComplete',
    requestURI: cut(request.uri),
    verb: request.verb,
    user: user === undefined ? {} : userInfo(user),
    ...(impersonated === undefined ? {} : { impersonatedUser: userInfo(impersonated) }),
    ...(request.address === undefined ? {} : { sourceIPs: [request.address] }),
    ...(request.userAgent === undefined ? {} : { userAgent: cut(request.userAgent) }),
    ...(target?.type === 'resource' ? { objectRef: objectRef(target) } : {}),
    responseStatus: { metadata: {}, code: request.code },
    requestReceivedTimestamp: iso(request.receivedMs),
    stageTimestamp: iso(request.answeredMs),
    ...(decision === undefined ? {} : { annotations: annotationsOf(request, decision) }),
  };
}

/** As long as kube-apiserver lets those of policies be. */
const annotationLimit = 10 * 1024;

function annotationsOf(
  { annotations }: Audited,
  { allowed, reason }: { allowed: boolean; reason: string },
): { [key: string]: string } {
  const given = [...annotations].map(([key, value]) => [key, value.slice(0, annotationLimit)]);
  return {
    ...Object.fromEntries(given),
    'authorization.k8s.io/decision': allowed ? 'allow' : 'forbid',
    'authorization.k8s.io/reason': reason,
  };
}

function userInfo({ name, uid, groups }: User) {
  return { username: name, ...(uid === undefined ? {} : { uid }), groups };
}

function objectRef({
  group,
  version,
  resource,
  subresource,
  namespace,
  name,
}: Extract<RequestTarget, { type: 'resource' }>) {
  return {
    resource,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(group === '' ? {} : { apiGroup: group }),
    apiVersion: version,
    ...(subresource === undefined ? {} : { subresource }),
  };
}
