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
import { listOf, matchedResources, namespaceOf, selectorOf } from './match.ts';
import { compilePolicy, type Denial, type Findings, judge, nothingFound, type Policy } from './policy.ts';
import { type AdmissionRequest, describeRequest } from './request.ts';
import { inVersion } from './versions.ts';

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
    const notes = createNotes();
    let refused: Error | undefined;
    for (const entry of context.store.range({ prefix: bindingPrefix }).entries) {
      const binding = bindings.of(entry);
      const spec = isRecord(binding.spec) ? binding.spec : {};
      const stored = context.store.get(keyOf(policyPrefix, undefined, String(spec.policyName)));
      if (stored === undefined) continue;
      const policy = policies.of(stored);
      const home = matchedResources(context, request, policy.constraints);
      if (home === undefined) continue;
      if (matchedResources(context, request, spec.matchResources) === undefined) continue;
      const found = await findingsOf(context, request, policy, spec.paramRef, () => seen(home));
      for (const { key, value } of found.annotations) notes.add(`${policy.name}/${key}`, value);
      const bound = { policy: policy.name, binding: binding.metadata.name ?? '' };
      refused ??= act(request, bound, listOf(spec.validationActions), found);
    }
    // All are asked before the first refuses, so that the audit log knows what each had to say.
    notes.publish(request);
    if (refused !== undefined) throw refused;
  };
}

/** What the audit log is to say: each value once, as the parameters of a policy may give several. */
function createNotes() {
  const notes = new Map<string, Set<string>>();
  return {
    add: (key: string, value: string) => {
      notes.set(key, (notes.get(key) ?? new Set()).add(value));
    },
    publish: (request: AdmissionRequest) => {
      for (const [key, values] of notes) request.annotate(key, [...values].join(', '));
    },
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

type Seen = Omit<Names, 'params' | 'variables'>;

/** The request as all policies see it that match it in one version; made when the first needs it. */
function seenOnce(context: Context, request: AdmissionRequest): (home: Served) => Promise<Seen> {
  const seen = new Map<Served, Promise<Seen>>();
  const make = async (home: Served): Promise<Seen> => {
    const shown = await inVersion(context, request, home);
    return {
      object: objectToCel(shown.object),
      oldObject: objectToCel(shown.old),
      request: toCel(describeRequest(shown, '')),
      namespaceObject: objectToCel(namespaceOf(context, request)),
    };
  };
  return (home) => {
    const known = seen.get(home) ?? make(home);
    seen.set(home, known);
    return known;
  };
}

async function findingsOf(
  context: Context,
  request: AdmissionRequest,
  policy: Policy,
  paramRef: unknown,
  seen: () => Promise<Seen>,
): Promise<Findings> {
  const params = await paramsOf(context, request, policy, paramRef);
  if (typeof params === 'string') return unable(policy, params);
  if (params.length === 0) return nothingFound;
  let values: Seen;
  try {
    values = await seen();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return unable(policy, `failed to configure binding: failed to convert object version: ${why}`);
  }
  const all = params.map((param) => judge(policy, { ...values, params: objectToCel(param) }));
  return {
    denials: all.flatMap(({ denials }) => denials),
    faults: all.flatMap(({ faults }) => faults),
    annotations: all.flatMap(({ annotations }) => annotations),
  };
}

/** A policy that cannot be asked refuses, unless its failures are ignored. */
function unable({ ignoresFailure }: Policy, message: string): Findings {
  return ignoresFailure
    ? nothingFound
    : { ...nothingFound, faults: [{ message, reason: 'Invalid', check: 0 }] };
}

/** The parameters to judge by, one after the other; a sentence when there must be some and are none. */
async function paramsOf(
  context: Context,
  request: AdmissionRequest,
  { paramKind }: Policy,
  paramRef: unknown,
): Promise<(KubeObject | undefined)[] | string> {
  if (paramKind === undefined || !isRecord(paramRef)) return [undefined];
  const served = context.catalog.findKind(paramKind.apiVersion, paramKind.kind);
  if (served === undefined) {
    return `failed to configure policy: failed to find resource referenced by paramKind: '${paramKind.apiVersion}, Kind=${paramKind.kind}'`;
  }
  const found = await findParams(context, served, request, paramRef);
  if (found.length > 0 || paramRef.parameterNotFoundAction === 'Allow') return found;
  return 'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction';
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

/** Does with the findings what the binding wants; returns the refusal, if it comes to one. */
function act(
  request: AdmissionRequest,
  { policy, binding }: { policy: string; binding: string },
  actions: readonly unknown[],
  { denials, faults }: Findings,
): Error | undefined {
  const who = `ValidatingAdmissionPolicy '${policy}' with binding '${binding}'`;
  for (const { message, check: expressionIndex } of denials) {
    if (actions.includes('Warn')) request.warn(`Validation failed for ${who}: ${message}`);
    if (!actions.includes('Audit')) continue;
    const failed = { message, policy, binding, expressionIndex, validationActions: actions };
    request.annotate('validation.policy.admission.k8s.io/validation_failure', JSON.stringify([failed]));
  }
  const [first] = [...(actions.includes('Deny') ? denials : []), ...faults];
  return first && refusal(request, `${who} denied request: ${first.message}`, first);
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
