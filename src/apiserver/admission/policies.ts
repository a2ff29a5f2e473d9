/**
 * Holds writes to the ValidatingAdmissionPolicies that are bound. Policies and bindings are read where they are stored, so one
 * counts from the moment its own write is answered; compiled ones are kept by revision.
 */

import type { Entry } from '../../store/contract.ts';
import { keyOf, partsOf, prefixOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { bufferOf, decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { inServedVersion, oneInServedVersion } from '../registry/versions.ts';
import { groupResource } from '../resource.ts';
import { matchesLabels } from '../selection/labels.ts';
import { failure } from '../status.ts';
import { type Names, objectToCel, toCel } from './expressions.ts';
import { listOf, matchesResources, namespaceOf, selectorOf } from './match.ts';
import { compilePolicy, type Denial, judge, type Policy } from './policy.ts';
import { type AdmissionRequest, describeRequest } from './request.ts';

const group = 'admissionregistration.k8s.io';
const policyPrefix = prefixOf(group, 'validatingadmissionpolicies');
const bindingPrefix = prefixOf(group, 'validatingadmissionpolicybindings');

/** The codes of the reasons a validation may give. */
const codes: { readonly [reason: string]: number } = {
  Unauthorized: 401,
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
};

/** Throws what a bound policy refuses, and warns of what it only warns of. */
export type PolicyCheck = (request: AdmissionRequest) => Promise<void>;

/** Makes the check. */
export function createPolicyCheck(context: Context): PolicyCheck {
  const policies = keptByRevision((entry) => compilePolicy(parse(entry)));
  const bindings = keptByRevision(parse);

  return async (request) => {
    if (context.store.count(bindingPrefix) === 0) {
      policies.clear();
      bindings.clear();
      return;
    }
    const seen = seenOnce(context, request);
    for (const entry of context.store.range({ prefix: bindingPrefix }).entries) {
      const binding = bindings.of(entry);
      const spec = isRecord(binding.spec) ? binding.spec : {};
      const stored = context.store.get(keyOf(policyPrefix, undefined, String(spec.policyName)));
      if (stored === undefined) continue;
      const policy = policies.of(stored);
      if (!matchesResources(context, request, policy.constraints)) continue;
      if (!matchesResources(context, request, spec.matchResources)) continue;
      const params = await paramsOf(context, request, policy, spec.paramRef);
      const denials = denialsOf(policy, params, seen);
      act(request, policy.name, binding.metadata.name ?? '', listOf(spec.validationActions), denials);
    }
  };
}

function parse(entry: Entry): KubeObject {
  return JSON.parse(bufferOf(entry.value).toString('utf8')) as KubeObject;
}

/** What is made of a stored object, until the object is written again. */
function keptByRevision<T>(make: (entry: Entry) => T): { of(entry: Entry): T; clear(): void } {
  const known = new Map<string, { revision: number; value: T }>();
  return {
    of: (entry) => {
      const found = known.get(entry.key);
      if (found?.revision === entry.modRevision) return found.value;
      const value = make(entry);
      known.set(entry.key, { revision: entry.modRevision, value });
      return value;
    },
    clear: () => known.clear(),
  };
}

/** The request as all policies see it; made when the first needs it. */
function seenOnce(context: Context, request: AdmissionRequest): () => Omit<Names, 'params' | 'variables'> {
  let seen: Omit<Names, 'params' | 'variables'> | undefined;
  return () => {
    seen ??= {
      object: objectToCel(request.object),
      oldObject: objectToCel(request.old),
      request: toCel(describeRequest(request, '')),
      namespaceObject: objectToCel(namespaceOf(context, request)),
    };
    return seen;
  };
}

function denialsOf(
  policy: Policy,
  params: (KubeObject | undefined)[] | Denial,
  seen: () => Omit<Names, 'params' | 'variables'>,
): readonly Denial[] {
  if (!Array.isArray(params)) return policy.ignoresFailure ? [] : [params];
  return params.flatMap((param) => judge(policy, { ...seen(), params: objectToCel(param) }));
}

/** The parameters to judge by, one after the other; a denial when there must be some and are none. */
async function paramsOf(
  context: Context,
  request: AdmissionRequest,
  { paramKind }: Policy,
  paramRef: unknown,
): Promise<(KubeObject | undefined)[] | Denial> {
  if (paramKind === undefined || !isRecord(paramRef)) return [undefined];
  const served = context.catalog.findKind(paramKind.apiVersion, paramKind.kind);
  if (served === undefined) {
    const message = `failed to configure policy: failed to find resource referenced by paramKind: '${paramKind.apiVersion}, Kind=${paramKind.kind}'`;
    return { message, reason: 'Invalid' };
  }
  const found = await findParams(context, served, request, paramRef);
  if (found.length > 0 || paramRef.parameterNotFoundAction === 'Allow') return found;
  const message =
    'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction';
  return { message, reason: 'Invalid' };
}

async function findParams(
  context: Context,
  served: Served,
  request: AdmissionRequest,
  { name, namespace, selector }: Record<string, unknown>,
): Promise<KubeObject[]> {
  const inside = typeof namespace === 'string' && namespace !== '' ? namespace : request.namespace;
  if (served.resource.namespaced && inside === undefined) return [];
  const place = served.resource.namespaced ? inside : undefined;
  if (typeof name === 'string' && name !== '') {
    const entry = context.store.get(keyOf(served.prefix, place, name));
    return entry === undefined ? [] : [decode(served, await oneInServedVersion(context, served, entry))];
  }
  const wanted = selectorOf(selector);
  const prefix = place === undefined ? served.prefix : `${served.prefix}${place}/`;
  const entries = context.store
    .range({ prefix })
    .entries.filter(({ key }) => partsOf(served.prefix, key).namespace === place);
  return (await inServedVersion(context, served, entries))
    .map((entry) => decode(served, entry))
    .filter(({ metadata }) => matchesLabels(wanted, metadata.labels));
}

function act(
  request: AdmissionRequest,
  policy: string,
  binding: string,
  actions: readonly unknown[],
  denials: readonly Denial[],
): void {
  const who = `ValidatingAdmissionPolicy '${policy}' with binding '${binding}'`;
  if (actions.includes('Warn')) {
    for (const { message } of denials) request.warn(`Validation failed for ${who}: ${message}`);
  }
  const [first] = denials;
  if (first === undefined || !actions.includes('Deny')) return;
  throw refusal(request, `${who} denied request: ${first.message}`, first);
}

function refusal({ served, name }: AdmissionRequest, why: string, denial: Denial): Error {
  const { group: of, plural } = served.resource;
  const subject = groupResource(served.resource);
  const what = name === '' ? subject : `${subject} ${JSON.stringify(name)}`;
  return failure(codes[denial.reason] ?? 422, denial.reason, `${what} is forbidden: ${why}`, {
    ...(name === '' ? {} : { name }),
    ...(of === '' ? {} : { group: of }),
    kind: plural,
    causes: [{ message: why }],
  });
}
