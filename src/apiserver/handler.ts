/** One request from its first look to its answer: what is it about, who asks, may they, and what came of it. */
import { StoreFullError } from '../store/contract.ts';
import type { Authenticator, Evidence } from './access/authenticate.ts';
import type { Authorizer, Decision } from './access/authorize.ts';
import { impersonation } from './access/impersonate.ts';
import type { Questions } from './access/questions/questions.ts';
import { anonymous, type User } from './access/user.ts';
import type { Audited } from './audit/event.ts';
import type { PathHandler } from './discovery/paths.ts';
import { laneOf } from './fairness/turns.ts';
import { newUid } from './metadata/identity.ts';
import type { Answered } from './metrics.ts';
import type { Context } from './registry/context.ts';
import { ApiError, failure, internalError, noSuchResource, storageFull, unauthorized } from './status.ts';
import { sendStatus } from './verbs/answer.ts';
import { dispatch, isServed, verbOf } from './verbs/dispatch.ts';
import type { OpenWatches } from './verbs/open.ts';
import type { Exchange } from './wire/exchange.ts';
import { type RequestTarget, targetOf } from './wire/target.ts';

/** Answers a request; never rejects. */
export type Handler = (exchange: Exchange, evidence: Evidence) => Promise<void>;

/** The parts of the handler. */
export type HandlerParts = {
  context: Context;
  authenticate: Authenticator;
  authorize: Authorizer;
  /** Answers what is created only to be answered. */
  questions: Questions;
  /** Takes note of each request once it is answered. */
  audit?: (request: Audited) => void;
  /** Counts each request once it is answered. */
  count?: (request: Answered) => void;
  paths: PathHandler;
  open: OpenWatches;
};

/** Makes the handler of all requests. */
export function createHandler(parts: HandlerParts): Handler {
  const { context } = parts;
  const nextId = requestIds(newUid(context.random));
  return async (exchange, evidence) => {
    const begun = context.clock.monotonic();
    const seen: Seen = { id: nextId(), receivedMs: context.clock.now(), target: targetOf(exchange.path) };
    exchange.setHeader('audit-id', seen.id);
    exchange.setHeader('cache-control', 'no-cache, private');
    try {
      await answer(parts, exchange, evidence, seen);
    } catch (error) {
      if (!exchange.answered()) sendStatus(exchange, statusOf(error, context, exchange).status);
    }
    parts.audit?.(audited(context, exchange, evidence, seen));
    parts.count?.(answered(context, exchange, seen.target, begun));
  };
}

function answered(
  context: Context,
  exchange: Exchange,
  target: RequestTarget | undefined,
  begun: number,
): Answered {
  return {
    ...{ target, verb: verbIn(exchange, target), code: exchange.code() },
    isServed: target?.type === 'resource' && isServed(context, target),
    isApply: exchange.header('content-type')?.startsWith('application/apply-patch+') === true,
    tookMs: context.clock.monotonic() - begun,
  };
}

/** What has been found out about a request so far. */
type Seen = {
  id: string;
  receivedMs: number;
  target: RequestTarget | undefined;
  user?: User;
  impersonated?: User;
  decision?: Decision;
};

function audited({ clock }: Context, exchange: Exchange, { address }: Evidence, seen: Seen): Audited {
  const { id, receivedMs, target, user, impersonated, decision } = seen;
  const { method, uri } = exchange;
  const userAgent = exchange.header('user-agent');
  const code = exchange.code();
  const annotations = exchange.annotations();
  const verb = verbIn(exchange, target);
  return {
    id,
    method,
    uri,
    verb,
    target,
    user,
    impersonated,
    decision,
    address,
    userAgent,
    code,
    annotations,
    receivedMs,
    answeredMs: clock.now(),
  };
}

function verbIn({ method, query }: Exchange, target: RequestTarget | undefined): string {
  return target?.type === 'resource' ? verbOf(target, method, query) : method.toLowerCase();
}

/** Ids of requests: unique through a random beginning, counted on because random bytes for each request cost too much. */
function requestIds(seed: string): () => string {
  const start = seed.slice(0, 24);
  let count = 0;
  return () => start + (count++ % 0x1000000000000).toString(16).padStart(12, '0');
}

async function answer(
  parts: HandlerParts,
  exchange: Exchange,
  evidence: Evidence,
  seen: Seen,
): Promise<void> {
  const { context } = parts;
  const { target } = seen;
  if (target === undefined) throw noSuchResource();
  const verdict = await parts.authenticate(evidence);
  if (verdict === 'rejected') throw unauthorized();
  const sender = verdict ?? anonymous;
  seen.user = sender;
  const user = asUser(parts.authorize, sender, exchange, seen);
  const verb = verbIn(exchange, target);
  const lane = laneOf(user.name, target.type === 'resource' ? target : undefined);
  await context.turns.take(lane, isLong(verb) ? 'slice' : 'request');
  seen.decision = parts.authorize({ user, verb, target });
  if (!seen.decision.allowed) {
    throw user.name === anonymous.name ? unauthorized() : refusal(user, verb, target, seen.decision.reason);
  }
  if (await parts.questions(exchange, target, user)) return;
  if (target.type === 'resource') return dispatch(context, exchange, target, parts.open, user);
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
    throw failure(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
  }
  return parts.paths(exchange);
}

/** Answers that go on by slices from their beginning: what is short does not wait behind many of them. */
function isLong(verb: string): boolean {
  return verb === 'list' || verb === 'deletecollection';
}

/** The user whose rights count: the sender, or whom he may impersonate. */
function asUser(authorize: Authorizer, sender: User, exchange: Exchange, seen: Seen): User {
  const other = impersonation(sender, exchange.headersWith('impersonate-'), authorize);
  if (other.refused !== undefined) {
    const { target, reason } = other.refused;
    seen.decision = { allowed: false, reason };
    throw sender.name === anonymous.name ? unauthorized() : refusal(sender, 'impersonate', target, reason);
  }
  if (other.user !== undefined) seen.impersonated = other.user;
  return other.user ?? sender;
}

/** 403 in kube-apiserver's words, from which people read what to put into a Role. */
function refusal(user: User, verb: string, target: RequestTarget, reason: string): ApiError {
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  const why = reason === '' ? '' : `: ${reason}`;
  if (target.type === 'path') {
    return failure(403, 'Forbidden', `forbidden: ${who} path ${JSON.stringify(target.path)}${why}`, {});
  }
  const { group, resource, subresource, namespace, name } = target;
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  const where =
    namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const what = name === undefined ? qualified : `${qualified} ${JSON.stringify(name)}`;
  return failure(
    403,
    'Forbidden',
    `${what} is forbidden: ${who} resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${where}${why}`,
    { ...(name === undefined ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource },
  );
}

function statusOf(error: unknown, { log }: Context, exchange: Exchange): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreFullError) return storageFull();
  log.error('a request failed', {
    method: exchange.method,
    path: exchange.path,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return internalError();
}
