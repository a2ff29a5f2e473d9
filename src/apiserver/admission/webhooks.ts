/**
 * Asks the webhooks that are configured: mutating ones one after the other, in the order of their names, before an object is
 * prepared; validating ones all at once, when it is valid.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
import { printJson } from '../../schema/json.ts';
import type { Entry } from '../../store/contract.ts';
import { prefixOf } from '../catalog/keys.ts';
import { newUid } from '../metadata/identity.ts';
import { cloneJson, equalJson, type KubeObject } from '../object.ts';
import { applyJsonPatch } from '../patch/json.ts';
import { bufferOf } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { readObject } from '../registry/incoming.ts';
import { type ApiError, failure } from '../status.ts';
import { type Names, objectToCel, toCel } from './expressions.ts';
import { homesOf, matchedHome, matchesSelectors, namespaceOf } from './match.ts';
import { type AdmissionRequest, describeRequest } from './request.ts';
import { inVersion, objectInVersion } from './versions.ts';
import { type CallWebhook, readVerdict, type Verdict, type Webhook, webhooksOf } from './webhook.ts';

const group = 'admissionregistration.k8s.io';
const mutatingPrefix = prefixOf(group, 'mutatingwebhookconfigurations');
const validatingPrefix = prefixOf(group, 'validatingwebhookconfigurations');

/** The webhooks as a whole. */
export type Webhooks = {
  /** The object as mutating webhooks want it; the same when there are none. */
  mutate(request: AdmissionRequest): Promise<KubeObject | undefined>;
  /** Throws what a validating webhook refuses. */
  validate(request: AdmissionRequest): Promise<void>;
};

/** Makes them. */
export function createWebhooks(context: Context, call: CallWebhook): Webhooks {
  const known = new Map<string, { revision: number; webhooks: readonly Webhook[] }>();

  function ofEntry({ key, modRevision, value }: Entry): readonly Webhook[] {
    const found = known.get(key);
    if (found?.revision === modRevision) return found.webhooks;
    const webhooks = webhooksOf(JSON.parse(bufferOf(value).toString('utf8')) as KubeObject);
    known.set(key, { revision: modRevision, webhooks });
    return webhooks;
  }

  const all = (prefix: string): Webhook[] =>
    context.store.count(prefix) === 0 ? [] : context.store.range({ prefix }).entries.flatMap(ofEntry);

  return {
    mutate: async (request) => {
      const webhooks = all(mutatingPrefix);
      if (webhooks.length === 0) return request.object;
      const turns = createTurns();
      const once = await mutateBy(context, call, webhooks, request, turns);
      turns.again();
      return (await mutateBy(context, call, webhooks, once, turns)).object;
    },
    validate: async (request) => {
      const webhooks = all(validatingPrefix);
      await Promise.all(
        webhooks.map(async (webhook) => {
          const shown = await shownTo(context, webhook, request);
          if (shown !== undefined) await ask(context, call, webhook, shown);
        }),
      );
    },
  };
}

/**
 * Whose turn it is: everybody's in the first round; in the second that of those who wish so and were asked before another one
 * changed the object. There is no third.
 */
function createTurns() {
  const asked = new Set<Webhook>();
  const stale = new Set<Webhook>();
  let isFirst = true;
  return {
    has: (webhook: Webhook) => isFirst || stale.has(webhook),
    asked: (webhook: Webhook) => {
      if (webhook.reinvoked) asked.add(webhook);
    },
    changed: () => {
      for (const webhook of asked) stale.add(webhook);
      asked.clear();
    },
    again: () => {
      isFirst = false;
    },
  };
}

/** Lets webhooks change the object one after the other: each is asked about what those before it made of it. */
async function mutateBy(
  context: Context,
  call: CallWebhook,
  webhooks: readonly Webhook[],
  request: AdmissionRequest,
  turns: ReturnType<typeof createTurns>,
): Promise<AdmissionRequest> {
  let now = request;
  for (const webhook of webhooks) {
    if (!turns.has(webhook)) continue;
    const shown = await shownTo(context, webhook, now);
    if (shown === undefined) continue;
    const verdict = await ask(context, call, webhook, shown);
    if (verdict?.patch !== undefined && shown.object !== undefined) {
      const object = patched(webhook, shown, shown.object, verdict.patch);
      if (!equalJson(object, shown.object)) {
        now = { ...now, object: await objectInVersion(context, shown.served, object, request.served) };
        turns.changed();
      }
    }
    turns.asked(webhook);
  }
  return now;
}

/** The write as a webhook is asked about it, in the version its rules name; undefined when it is not concerned. */
async function shownTo(
  context: Context,
  webhook: Webhook,
  request: AdmissionRequest,
): Promise<AdmissionRequest | undefined> {
  const home = matchedHome(request, webhook.rules, homesOf(context, request, webhook.selectors.matchPolicy));
  if (home === undefined || !matchesSelectors(context, request, webhook.selectors)) return undefined;
  const shown = await inVersion(context, request, home);
  return conditionsHold(context, webhook, shown) ? shown : undefined;
}

function conditionsHold(context: Context, webhook: Webhook, request: AdmissionRequest): boolean {
  if (webhook.conditions.length === 0) return true;
  const names: Names = {
    object: objectToCel(request.object),
    oldObject: objectToCel(request.old),
    request: toCel(describeRequest(request, '')),
    namespaceObject: objectToCel(namespaceOf(context, request)),
    params: null,
    variables: {},
  };
  try {
    return webhook.conditions.every(({ expression }) => expression(names) === true);
  } catch (error) {
    if (webhook.ignoresFailure) return false;
    throw callFailure(webhook, error);
  }
}

/** The verdict that lets pass; undefined when the webhook failed and that is to be ignored. Throws its refusal. */
async function ask(
  context: Context,
  call: CallWebhook,
  webhook: Webhook,
  request: AdmissionRequest,
): Promise<Verdict | undefined> {
  let verdict: Verdict;
  try {
    verdict = await callOnce(context, call, webhook, request);
  } catch (error) {
    context.log.warn('a webhook failed', { webhook: webhook.name, error: String(error) });
    if (webhook.ignoresFailure) return undefined;
    throw callFailure(webhook, error);
  }
  for (const text of verdict.warnings) request.warn(text);
  for (const [key, value] of Object.entries(verdict.annotations)) {
    request.annotate(`${webhook.name}/${key}`, value);
  }
  if (verdict.allowed) return verdict;
  const denied = `admission webhook ${JSON.stringify(webhook.name)} denied the request`;
  const said = verdict.message || verdict.reason;
  const why = said === '' ? `${denied} without explanation` : `${denied}: ${said}`;
  throw failure(verdict.code, verdict.reason, why);
}

async function callOnce(
  context: Context,
  call: CallWebhook,
  { target, timeoutMs }: Webhook,
  request: AdmissionRequest,
): Promise<Verdict> {
  if (typeof target === 'string') throw new Error(target);
  const uid = newUid(context.random);
  const { object = null, old: oldObject = null } = request;
  const review = {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: { ...describeRequest(request, uid), object, oldObject },
  };
  const abort = new AbortController();
  const cancel = context.clock.after(timeoutMs, () => abort.abort(new Error('context deadline exceeded')));
  try {
    const answer = await call({ ...target, body: printJson(review), signal: abort.signal });
    return readVerdict(answer, uid);
  } finally {
    cancel();
  }
}

function patched(
  webhook: Webhook,
  { served }: AdmissionRequest,
  object: KubeObject,
  patch: unknown,
): KubeObject {
  try {
    const value: unknown = applyJsonPatch(cloneJson(object), patch);
    return readObject(served, { value, duplicates: [] }).object;
  } catch (error) {
    throw callFailure(webhook, error);
  }
}

function callFailure({ name }: Webhook, error: unknown): ApiError {
  const why = error instanceof Error ? error.message : String(error);
  return failure(
    500,
    'InternalError',
    `Internal error occurred: failed calling webhook ${JSON.stringify(name)}: ${why}`,
  );
}
