import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printJson } from '../../../src/schema/json.ts';
import { type Client, createClient } from '../../contract/apiserver/client.ts';
import { type Embedded, startEmbedded } from '../../contract/apiserver/embedded.ts';
import { widgetDefinition } from '../../contract/apiserver/widgets.ts';

/** More when somebody looks for trouble: HOSTILE_REQUESTS=100000. */
const requests = Number(process.env.HOSTILE_REQUESTS ?? 1500);

/** What some kinds cannot be without. */
const needed = {
  spec: { size: 3 },
  roleRef: { kind: 'ClusterRole', name: 'r' },
  involvedObject: { kind: 'X', name: 'x', namespace: 'default' },
};

let server: Embedded;
let client: Client;

beforeAll(async () => {
  server = await startEmbedded();
  client = createClient(server.target);
  await client.send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    body: widgetDefinition('g.dev'),
  });
  for (const [path, [apiVersion, kind]] of Object.entries(kindsOf)) {
    await client.send('POST', path, { body: { apiVersion, kind, metadata: { name: 'a' }, ...needed } });
  }
});
afterAll(async () => {
  client.close();
  await server.stop();
});

/** What a path's objects call themselves, so that some bodies get past the first look. */
const kindsOf: { [path: string]: readonly [string, string] } = {
  '/api/v1/namespaces/default/configmaps': ['v1', 'ConfigMap'],
  '/api/v1/namespaces/default/secrets': ['v1', 'Secret'],
  '/api/v1/namespaces/default/events': ['v1', 'Event'],
  '/api/v1/namespaces/default/serviceaccounts': ['v1', 'ServiceAccount'],
  '/api/v1/namespaces': ['v1', 'Namespace'],
  '/apis/g.dev/v1/namespaces/default/widgets': ['g.dev/v1', 'Widget'],
  '/apis/events.k8s.io/v1/namespaces/default/events': ['events.k8s.io/v1', 'Event'],
  '/apis/coordination.k8s.io/v1/namespaces/default/leases': ['coordination.k8s.io/v1', 'Lease'],
  '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings': [
    'rbac.authorization.k8s.io/v1',
    'ClusterRoleBinding',
  ],
  '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies': [
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicy',
  ],
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions': [
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
  ],
};

function fitted(content: unknown, path: string): unknown {
  const kind = kindsOf[path];
  const isTyped = typeof content === 'object' && content !== null && 'roleRef' in content;
  return kind !== undefined && isTyped ? { ...content, apiVersion: kind[0], kind: kind[1] } : content;
}

/** With all digits of large whole numbers, which the client itself could not write. */
function asText(content: unknown): unknown {
  const isText = typeof content === 'string' || Buffer.isBuffer(content) || content === undefined;
  return isText ? content : printJson(content);
}

const paths = [
  '/api/v1/namespaces/default/configmaps',
  '/api/v1/namespaces/default/secrets',
  '/api/v1/namespaces/default/events',
  '/api/v1/namespaces/default/serviceaccounts',
  '/api/v1/namespaces',
  '/apis/g.dev/v1/namespaces/default/widgets',
  '/apis/g.dev/v1/widgets',
  '/apis/events.k8s.io/v1/namespaces/default/events',
  '/apis/coordination.k8s.io/v1/namespaces/default/leases',
  '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  '/apis',
  '/nonsense',
];
const types = [
  'application/json',
  'application/yaml',
  'application/merge-patch+json',
  'application/json-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/vnd.kubernetes.protobuf',
];

const word = fc.constantFrom(
  'a',
  'b',
  'spec',
  'metadata',
  'name',
  'status',
  'versions',
  'names',
  'kind',
  '__proto__',
  '',
  'ä/%',
  '$patch',
  'finalizers',
  'managedFields',
  'roleRef',
  'subjects',
  'data',
  'stringData',
  'constructor',
);
const scalar = fc.oneof(
  word,
  fc.integer(),
  fc.double(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n }),
  fc.boolean(),
  fc.constant(null),
  fc.string({ maxLength: 8 }),
);
const anything = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(word, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value;
const typed = fc.record({
  apiVersion: fc.constantFrom(
    'v1',
    'g.dev/v1',
    'events.k8s.io/v1',
    'coordination.k8s.io/v1',
    'rbac.authorization.k8s.io/v1',
    'apiextensions.k8s.io/v1',
    'admissionregistration.k8s.io/v1',
  ),
  kind: fc.constantFrom(
    'ConfigMap',
    'Secret',
    'Event',
    'ServiceAccount',
    'Namespace',
    'Widget',
    'Lease',
    'ClusterRoleBinding',
    'CustomResourceDefinition',
    'ValidatingAdmissionPolicy',
    'DeleteOptions',
  ),
  metadata: fc.oneof(fc.record({ name: fc.constantFrom('a', 'b', 'g.dev') }), anything),
  spec: anything,
  data: anything,
  roleRef: anything,
  involvedObject: anything,
});
const names = fc.record({ plural: word, kind: word, singular: anything }, { requiredKeys: [] });
const version = fc.record(
  {
    name: word,
    served: fc.boolean(),
    storage: fc.boolean(),
    schema: fc.oneof(anything, fc.record({ openAPIV3Schema: anything })),
    additionalPrinterColumns: anything,
    selectableFields: anything,
  },
  { requiredKeys: [] },
);
const definition = typed.chain((base) =>
  fc
    .record(
      {
        group: word,
        names,
        scope: word,
        versions: fc.array(fc.oneof(version, anything), { maxLength: 2 }),
        conversion: anything,
      },
      { requiredKeys: [] },
    )
    .map((spec) => ({ ...base, spec })),
);
const operations = fc.array(
  fc.record({
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
    path: fc.constantFrom(
      '',
      '/metadata',
      '/spec/size',
      '/data',
      '/a/b',
      'x',
      '/metadata/managedFields',
      '/kind',
    ),
    from: fc.constantFrom('/spec', '/metadata/name'),
    value: anything,
  }),
  { maxLength: 3 },
);
const broken = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.concat([Buffer.from('k8s\0'), bytes])),
);
const body = fc.oneof(
  { arbitrary: anything, weight: 2 },
  { arbitrary: typed, weight: 6 },
  { arbitrary: definition, weight: 4 },
  { arbitrary: broken, weight: 1 },
);

/** A request that could be meant: method, what follows the collection's path, type and body fit each other. */
const request = fc.oneof(
  fc.record({
    method: fc.constant('GET'),
    rest: fc.constantFrom('', '/a', '/a/status'),
    type: fc.constant('application/json'),
    content: fc.constant(undefined),
  }),
  fc.record({
    method: fc.constant('POST'),
    rest: fc.constant(''),
    type: fc.constantFrom('application/json', 'application/json', 'application/json', ...types),
    content: body,
  }),
  fc.record({
    method: fc.constant('PUT'),
    rest: fc.constantFrom('/a', '/a', '/a/status'),
    type: fc.constant('application/json'),
    content: body,
  }),
  fc.record({
    method: fc.constant('PATCH'),
    rest: fc.constantFrom('/a', '/a', '/a/status', '/b'),
    type: fc.constantFrom(...types.slice(2)),
    content: body,
  }),
  fc.record({
    method: fc.constant('PATCH'),
    rest: fc.constantFrom('/a', '/a/status'),
    type: fc.constant('application/json-patch+json'),
    content: operations,
  }),
  fc.record({
    method: fc.constant('DELETE'),
    rest: fc.constant('/b'),
    type: fc.constant('application/json'),
    content: fc.oneof(fc.constant(undefined), body),
  }),
  fc.record({
    method: fc.constantFrom('GET', 'PUT', 'OPTIONS'),
    rest: fc.constantFrom('/%00', '/a/b/c', '/a/finalize'),
    type: fc.constantFrom(...types),
    content: body,
  }),
);

const query = fc.dictionary(
  fc.constantFrom(
    'limit',
    'continue',
    'labelSelector',
    'fieldSelector',
    'resourceVersion',
    'resourceVersionMatch',
    'dryRun',
    'fieldManager',
    'fieldValidation',
    'force',
    'propagationPolicy',
    'includeObject',
    'pretty',
  ),
  fc.oneof(
    fc.constantFrom(
      'All',
      '0',
      '1',
      '-1',
      'true',
      'Exact',
      'Strict',
      'a=b',
      'a in (b',
      'metadata.name=a',
      'e30',
      '\\',
    ),
    fc.string({ maxLength: 10 }),
  ),
  { maxKeys: 3 },
);
const someQuery = fc.oneof({ arbitrary: fc.constant({}), weight: 3 }, { arbitrary: query, weight: 2 });
const accepted = fc.oneof(
  { arbitrary: fc.constant('application/json'), weight: 8 },
  {
    arbitrary: fc.constantFrom('application/json;as=Table;v=v1;g=meta.k8s.io', 'application/yaml', ';;,'),
    weight: 1,
  },
);

describe('whatever a client sends', () => {
  it('gets a Status with a code below 500, and the server goes on', async () => {
    await fc.assert(
      fc.asyncProperty(
        request,
        fc.constantFrom(...paths),
        someQuery,
        accepted,
        async ({ method, rest, type, content }, path, parameters, accept) => {
          const target = `${path}${rest}?${new URLSearchParams(parameters)}`;
          const sent = { type, accept, body: asText(fitted(content, path)) };
          const answer = await client.send(method, target, sent);
          const fine = answer.code < 500 || answer.code === 504;
          expect([fine, answer.text], `${method} ${target} ${type}`).toEqual([true, answer.text]);
          if (answer.code >= 400) expect(answer.body).toMatchObject({ kind: 'Status', code: answer.code });
        },
      ),
      { numRuns: requests },
    );
    expect((await client.send('GET', '/readyz')).code).toBe(200);
  }, 600_000);
});
