/** Requests that are right, or wrong in one way only: these pass the router and reach what the wild ones of requests.ts seldom do. */
import fc from 'fast-check';
import { widget, widgetDefinition } from '../contract/apiserver/widgets.ts';
import { type Collection, junk, pathOf, type Shot } from './requests.ts';

type Json = { [name: string]: unknown };

/** What an object of each kind needs beside its name. Kinds that are not here need nothing. */
const contents: { readonly [kind: string]: Json } = {
  ConfigMap: { data: { a: '1' } },
  Secret: { stringData: { a: '1' } },
  Lease: { spec: { holderIdentity: 'a', leaseDurationSeconds: 5 } },
  Role: { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['configmaps'] }] },
  ClusterRole: { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['configmaps'] }] },
  RoleBinding: { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'a' } },
  ClusterRoleBinding: { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'a' } },
  PriorityClass: { value: 1 },
  Event: {
    involvedObject: { kind: 'ConfigMap', namespace: 'soak-a', name: 'a' },
    reason: 'Soak',
    message: 'a',
    type: 'Normal',
  },
  TokenReview: { spec: { token: 'a' } },
  SubjectAccessReview: { spec: { user: 'a', resourceAttributes: { verb: 'get', resource: 'pods' } } },
  SelfSubjectAccessReview: { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } },
  LocalSubjectAccessReview: {
    spec: { user: 'a', resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'soak-a' } },
  },
  SelfSubjectRulesReview: { spec: { namespace: 'soak-a' } },
  ValidatingAdmissionPolicy: {
    spec: {
      matchConstraints: {
        resourceRules: [
          { apiGroups: ['soak.none'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['x'] },
        ],
      },
      validations: [{ expression: 'object.metadata.name != "z"' }],
    },
  },
  ValidatingAdmissionPolicyBinding: { spec: { policyName: 'a', validationActions: ['Deny'] } },
};

const definitionName = 'widgets.soak.dev';

function soundObject({ group, version, kind }: Collection, name: string): Json {
  if (kind === 'CustomResourceDefinition') return widgetDefinition('soak.dev') as Json;
  if (group === 'soak.dev') return widget(group, name) as Json;
  const apiVersion = group === '' ? version : `${group}/${version}`;
  return { apiVersion, kind, metadata: { name }, ...contents[kind] };
}

/** A request before it is written: what a break changes. */
type Draft = {
  method: string;
  collection: Collection;
  namespace: string;
  name: string | undefined;
  tail: string;
  query: { [name: string]: string };
  type: string;
  accept: string;
  body: unknown;
};

/** The verbs of a collection as requests that are right. */
function drafts(collection: Collection): fc.Arbitrary<Draft> {
  const { kind, verbs, builtin } = collection;
  return fc
    .record({
      verb: fc.constantFrom(...verbs, ...verbs.filter((verb) => verb === 'create' || verb === 'patch')),
      name:
        kind === 'CustomResourceDefinition' ? fc.constant(definitionName) : fc.constantFrom('a', 'b', 'c'),
      namespace: fc.constantFrom('soak-a', 'soak-b'),
      size: fc.integer({ min: 1, max: 99 }),
      patch: fc.constantFrom('merge', 'json', 'apply', builtin ? 'strategic' : 'merge'),
      dryRun: fc.boolean(),
    })
    .map(({ verb, name, namespace, size, patch, dryRun }) => {
      const whole = soundObject(collection, name);
      const write = { ...(dryRun ? { dryRun: 'All' } : {}) };
      const common = {
        collection,
        namespace,
        name,
        tail: '',
        accept: 'application/json',
        type: 'application/json',
      };
      const one = { ...common, query: write, body: undefined };
      const change = { metadata: { labels: { size: String(size) } } };
      switch (verb) {
        case 'create':
          return { ...one, method: 'POST', name: undefined, body: whole };
        case 'update':
          return { ...one, method: 'PUT', body: whole };
        case 'delete':
          // A definition that goes takes its objects along, and with them what most requests are about.
          return {
            ...one,
            method: 'DELETE',
            query: kind === 'CustomResourceDefinition' ? { dryRun: 'All' } : write,
          };
        case 'deletecollection':
          return { ...one, method: 'DELETE', name: undefined, query: { dryRun: 'All' } };
        case 'list':
          return { ...one, method: 'GET', name: undefined, query: { limit: '2' } };
        case 'watch':
          return { ...one, method: 'GET', name: undefined, query: { watch: '1', timeoutSeconds: '1' } };
        case 'patch':
          return {
            ...one,
            method: 'PATCH',
            type: patchTypes[patch] ?? '',
            query: patch === 'apply' ? { ...write, fieldManager: 'soak', force: 'true' } : write,
            body:
              patch === 'apply'
                ? whole
                : patch === 'json'
                  ? [{ op: 'add', path: '/metadata/annotations', value: { size: String(size) } }]
                  : change,
          };
        default:
          return { ...one, method: 'GET', query: {} };
      }
    });
}

const patchTypes: { readonly [name: string]: string } = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
  strategic: 'application/strategic-merge-patch+json',
};

/** One thing of a request made wrong, or nothing. */
type Break = (draft: Draft) => Draft;

const nothing: Break = (draft) => draft;

/** Puts `value` at the place in a body that `steps` lead to, whatever is there. */
function withJunk(body: unknown, steps: readonly number[], value: unknown): unknown {
  const [first = 0, ...rest] = steps;
  if (typeof body !== 'object' || body === null || steps.length === 0) return value;
  const keys = Object.keys(body);
  const key = keys[first % Math.max(1, keys.length)];
  if (key === undefined) return value;
  const child = withJunk((body as Json)[key], rest, value);
  return Array.isArray(body)
    ? body.map((item: unknown, index) => (String(index) === key ? child : item))
    : { ...body, [key]: child };
}

const fieldJunk = fc.record({ steps: fc.array(fc.nat(9), { minLength: 1, maxLength: 5 }), value: junk }).map(
  ({ steps, value }): Break =>
    (draft) => ({ ...draft, body: withJunk(draft.body, steps, value) }),
);

const extraField = fc
  .record({ name: fc.constantFrom('spec', 'status', 'zz', 'finalizers', 'data', '__proto__'), value: junk })
  .map(
    ({ name, value }): Break =>
      (draft) =>
        typeof draft.body === 'object' && !Array.isArray(draft.body)
          ? { ...draft, body: Object.fromEntries([...Object.entries(draft.body ?? {}), [name, value]]) }
          : draft,
  );

const metaField = fc
  .record({
    name: fc.constantFrom(
      ...[
        'labels',
        'annotations',
        'finalizers',
        'ownerReferences',
        'managedFields',
        'resourceVersion',
        'uid',
      ],
      ...['generateName', 'deletionTimestamp', 'namespace', 'creationTimestamp', 'generation'],
    ),
    value: junk,
  })
  .map(
    ({ name, value }): Break =>
      (draft) => {
        const body = draft.body as Json | undefined;
        if (body === undefined || Array.isArray(body)) return draft;
        return {
          ...draft,
          body: { ...body, metadata: { ...(body.metadata as Json | undefined), [name]: value } },
        };
      },
  );

const queryFault = fc
  .record({
    name: fc.constantFrom(
      ...['dryRun', 'fieldManager', 'fieldValidation', 'labelSelector', 'fieldSelector', 'limit', 'continue'],
      ...[
        'resourceVersion',
        'resourceVersionMatch',
        'sendInitialEvents',
        'propagationPolicy',
        'force',
        'pretty',
      ],
    ),
    value: fc.oneof(
      fc.constantFrom(
        '',
        'x',
        '-1',
        '0',
        '1',
        'All',
        'Strict',
        'true',
        'a=b',
        'a in (b',
        '99999999999999999999',
      ),
      fc.string({ unit: 'binary', maxLength: 8 }),
    ),
  })
  .map(
    ({ name, value }): Break =>
      (draft) => ({ ...draft, query: { ...draft.query, [name]: value } }),
  );

const placeFault = fc
  .record({
    name: fc.constantFrom(undefined, 'gone', 'A_', 'x'.repeat(300), 'default'),
    namespace: fc.constantFrom('soak-a', 'gone', ''),
    tail: fc.constantFrom('', '/status', '/scale', '/nope'),
  })
  .map(
    ({ name, namespace, tail }): Break =>
      (draft) => ({ ...draft, name, namespace, tail: name === undefined ? '' : tail }),
  );

const formFault = fc
  .record({
    accept: fc.constantFrom(
      'application/json;as=Table;v=v1;g=meta.k8s.io',
      'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
      'application/yaml',
      'text/html',
    ),
    type: fc.constantFrom('application/json', 'application/yaml', 'text/plain', ...Object.values(patchTypes)),
  })
  .map(
    ({ accept, type }): Break =>
      (draft) => ({ ...draft, accept, type }),
  );

const breaks: fc.Arbitrary<Break> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(nothing) },
  { weight: 5, arbitrary: fieldJunk },
  { weight: 2, arbitrary: metaField },
  { weight: 2, arbitrary: extraField },
  { weight: 3, arbitrary: queryFault },
  { weight: 1, arbitrary: placeFault },
  { weight: 1, arbitrary: formFault },
);

function shotOf({ method, collection, namespace, name, tail, query, type, accept, body }: Draft): Shot {
  const path = pathOf(collection, namespace, name, tail);
  const asked = new URLSearchParams(query).toString();
  const sends = body !== undefined && method !== 'GET';
  return {
    method,
    path: asked === '' ? path : `${path}?${asked}`,
    headers: { accept, ...(sends ? { 'content-type': type } : {}) },
    body: sends ? JSON.stringify(body) : undefined,
    watch: 'watch' in query,
  };
}

/** Requests to a server with these collections, right or with one fault. */
export function nearlySound(collections: readonly Collection[]): fc.Arbitrary<Shot> {
  return fc
    .constantFrom(...collections)
    .chain((collection) => fc.record({ draft: drafts(collection), fault: breaks }))
    .map(({ draft, fault }) => shotOf(fault(draft)));
}
