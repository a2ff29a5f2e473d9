/** Webhooks, asked for real: in which order and how often, in which version they see an object, and who owns fields across versions. */
import { type Case, type Step, step } from '../suite.ts';

const base = '/apis/admissionregistration.k8s.io/v1';
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const maps = '/api/v1/namespaces/{ns}/configmaps';
const things = (version: string) => `/apis/{ns}.dev/${version}/namespaces/{ns}/things`;

type Hook = { path: string } & Record<string, unknown>;

/** A configuration of hooks that are asked about the namespace of the case alone. */
const configuration = (kind: 'Mutating' | 'Validating', hooks: Hook[]) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: `${kind}WebhookConfiguration`,
  metadata: { name: 'w-{ns}' },
  webhooks: hooks.map(({ path, ...rest }, index) => ({
    name: `w${index}.{ns}.dev`,
    clientConfig: { url: `{hooks}/${path}`, caBundle: '{hooksCa}' },
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': '{ns}' } },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...rest,
  })),
});

const configured = (kind: 'Mutating' | 'Validating', hooks: Hook[]): Step =>
  step(
    'POST',
    `${base}/${kind.toLowerCase()}webhookconfigurations`,
    { code: 201 },
    { body: configuration(kind, hooks) },
  );
const gone = (kind: 'Mutating' | 'Validating'): Step =>
  step('DELETE', `${base}/${kind.toLowerCase()}webhookconfigurations/w-{ns}`, { code: 200 });

const map = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
const tried = (order: string): Step =>
  step(
    'POST',
    `${maps}?dryRun=All`,
    { code: 201, eventually: true, body: { metadata: { annotations: { order } } } },
    { body: map('a') },
  );

const spec = (field: string) => ({
  openAPIV3Schema: {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: { [field]: { type: 'integer' }, color: { type: 'string' }, place: { type: 'string' } },
      },
    },
  },
});

/** Things whose `size` is called `amount` in v2; stored as v1. */
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.{ns}.dev' },
  spec: {
    group: '{ns}.dev',
    scope: 'Namespaced',
    names: { plural: 'things', kind: 'Thing' },
    conversion: {
      strategy: 'Webhook',
      webhook: {
        conversionReviewVersions: ['v1'],
        clientConfig: { url: '{hooks}/convert', caBundle: '{hooksCa}' },
      },
    },
    versions: [
      { name: 'v1', served: true, storage: true, schema: spec('size') },
      { name: 'v2', served: true, storage: false, schema: spec('amount') },
    ],
  },
};
const defined: Step[] = [
  step('POST', definitions, { code: 201 }, { body: definition }),
  step('GET', things('v1'), { code: 200, eventually: true }),
  step('GET', things('v2'), { code: 200, eventually: true }),
];
const undefinedAgain = step('DELETE', `${definitions}/things.{ns}.dev`, { code: 200 });
const thing = (version: string, name: string, fields: Record<string, unknown>) => ({
  apiVersion: `{ns}.dev/${version}`,
  kind: 'Thing',
  metadata: { name },
  spec: fields,
});
const aboutV1 = [
  { apiGroups: ['{ns}.dev'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['things'] },
];

const applied = (
  version: string,
  manager: string,
  fields: Record<string, unknown>,
  expect: Step['expect'],
  force = false,
): Step =>
  step('PATCH', `${things(version)}/a?fieldManager=${manager}${force ? '&force=true' : ''}`, expect, {
    type: 'application/apply-patch+yaml',
    body: thing(version, 'a', fields),
  });

export const webhookCases: Case[] = [
  {
    name: 'a mutating webhook is asked once more when a later one changed the object, if it wishes so',
    comparedWith: '1.33.4',
    steps: [
      configured('Mutating', [
        { path: 'append-a', reinvocationPolicy: 'IfNeeded' },
        { path: 'append-b', reinvocationPolicy: 'Never' },
      ]),
      tried('aba'),
      gone('Mutating'),
    ],
  },
  {
    name: 'a webhook that is asked again makes those behind it be asked again, and there is no third round',
    comparedWith: '1.33.4',
    steps: [
      configured('Mutating', [
        { path: 'append-a', reinvocationPolicy: 'IfNeeded' },
        { path: 'append-b' },
        { path: 'append-c', reinvocationPolicy: 'IfNeeded' },
      ]),
      tried('abcac'),
      gone('Mutating'),
    ],
  },
  {
    name: 'a webhook is not asked again by its own change, nor by one that changes nothing',
    comparedWith: '1.33.4',
    steps: [
      configured('Mutating', [
        { path: 'append-a', reinvocationPolicy: 'IfNeeded' },
        { path: 'touch', reinvocationPolicy: 'IfNeeded' },
      ]),
      tried('a'),
      gone('Mutating'),
    ],
  },
  {
    name: 'a webhook sees what those before it made of the object when it is chosen',
    comparedWith: '1.33.4',
    steps: [
      configured('Mutating', [
        { path: 'append-a' },
        {
          path: 'append-b',
          matchConditions: [
            {
              name: 'after-a',
              expression: "has(object.metadata.annotations) && 'order' in object.metadata.annotations",
            },
          ],
        },
      ]),
      tried('ab'),
      gone('Mutating'),
    ],
  },
  {
    name: 'a policy of asking again that does not exist is refused',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${base}/mutatingwebhookconfigurations`,
        {
          code: 422,
          text: /webhooks\[0\]\.reinvocationPolicy: Unsupported value: \\"Often\\": supported values: \\"IfNeeded\\", \\"Never\\"/,
        },
        { body: configuration('Mutating', [{ path: 'append-a', reinvocationPolicy: 'Often' }]) },
      ),
    ],
  },
  {
    name: 'a webhook by a Service that does not exist fails with its name',
    comparedWith: '1.33.4',
    steps: [
      configured('Validating', [
        { path: '', clientConfig: { service: { name: 'nowhere', namespace: '{ns}', path: '/x' } } },
      ]),
      step(
        'POST',
        `${maps}?dryRun=All`,
        {
          code: 500,
          eventually: true,
          body: { reason: 'InternalError' },
          text: /failed calling webhook .*service \\"nowhere\\" not found/,
        },
        { body: map('a') },
      ),
      gone('Validating'),
    ],
  },
  {
    name: 'a webhook for one version sees objects of another converted, and its changes come back',
    comparedWith: '1.33.4',
    steps: [
      ...defined,
      step('POST', things('v2'), { code: 201 }, { body: thing('v2', 'b', { amount: 3 }) }),
      configured('Mutating', [{ path: 'versions', rules: aboutV1 }]),
      step(
        'POST',
        `${things('v2')}?dryRun=All`,
        {
          code: 201,
          eventually: true,
          body: {
            apiVersion: '{ns}.dev/v2',
            metadata: { annotations: { seen: '{ns}.dev/v1 v1 v2 3' } },
            spec: { amount: 7, color: 'red', size: '<absent>' },
          },
        },
        { body: thing('v2', 'a', { amount: 3, color: 'red' }) },
      ),
      gone('Mutating'),
      configured('Validating', [{ path: 'refuse', rules: aboutV1 }]),
      step(
        'PATCH',
        `${things('v2')}/b?dryRun=All`,
        { code: 400, eventually: true, text: /denied the request: size is 5, was 3/ },
        { type: 'application/merge-patch+json', body: { spec: { amount: 5 } } },
      ),
      gone('Validating'),
      undefinedAgain,
    ],
  },
  {
    name: 'a webhook that wants exact matches is not asked about another version',
    comparedWith: '1.33.4',
    steps: [
      ...defined,
      configured('Validating', [{ path: 'refuse', rules: aboutV1, matchPolicy: 'Exact' }]),
      step(
        'POST',
        `${things('v1')}?dryRun=All`,
        { code: 400, eventually: true },
        { body: thing('v1', 'a', { size: 3 }) },
      ),
      step('POST', `${things('v2')}?dryRun=All`, { code: 201 }, { body: thing('v2', 'a', { amount: 3 }) }),
      gone('Validating'),
      undefinedAgain,
    ],
  },
  {
    name: 'a policy on one version judges objects of another converted',
    comparedWith: '1.33.4',
    steps: [
      ...defined,
      step(
        'POST',
        `${base}/validatingadmissionpolicies`,
        { code: 201 },
        {
          body: {
            apiVersion: 'admissionregistration.k8s.io/v1',
            kind: 'ValidatingAdmissionPolicy',
            metadata: { name: 'p-{ns}' },
            spec: {
              matchConstraints: { resourceRules: aboutV1 },
              validations: [
                {
                  expression: 'object.spec.size < 10',
                  messageExpression: "request.requestKind.version + ' as ' + request.kind.version",
                },
              ],
            },
          },
        },
      ),
      step(
        'POST',
        `${base}/validatingadmissionpolicybindings`,
        { code: 201 },
        {
          body: {
            apiVersion: 'admissionregistration.k8s.io/v1',
            kind: 'ValidatingAdmissionPolicyBinding',
            metadata: { name: 'p-{ns}' },
            spec: { policyName: 'p-{ns}', validationActions: ['Deny'] },
          },
        },
      ),
      step(
        'POST',
        `${things('v2')}?dryRun=All`,
        { code: 422, eventually: true, text: /denied request: v2 as v1/ },
        { body: thing('v2', 'a', { amount: 30 }) },
      ),
      step('POST', `${things('v2')}?dryRun=All`, { code: 201 }, { body: thing('v2', 'a', { amount: 3 }) }),
      step('DELETE', `${base}/validatingadmissionpolicybindings/p-{ns}`, { code: 200 }),
      step('DELETE', `${base}/validatingadmissionpolicies/p-{ns}`, { code: 200 }),
      undefinedAgain,
    ],
  },
  {
    name: 'fields are owned across versions: under the name they have in each',
    comparedWith: '1.33.4',
    steps: [
      ...defined,
      applied('v1', 'one', { size: 3, color: 'red' }, { code: 201 }),
      applied('v2', 'two', { amount: 4 }, { code: 409, text: /conflict with \\"one\\": \.spec\.size/ }),
      applied('v2', 'two', { amount: 4, place: 'here' }, { code: 200, body: { spec: { amount: 4 } } }, true),
      step('GET', `${things('v1')}/a`, {
        code: 200,
        body: {
          spec: { size: 4, color: 'red', place: 'here' },
          metadata: {
            managedFields: [
              { manager: 'one', apiVersion: '{ns}.dev/v1', fieldsV1: { 'f:spec': { 'f:size': '<absent>' } } },
              { manager: 'two', apiVersion: '{ns}.dev/v2', fieldsV1: { 'f:spec': { 'f:amount': {} } } },
            ],
          },
        },
      }),
      // What it applied through the one version and no longer does through the other is taken away.
      applied('v1', 'two', { size: 4 }, { code: 200, body: { spec: { size: 4, place: '<absent>' } } }),
      undefinedAgain,
    ],
  },
  {
    name: 'who changes a field through one version takes it from who owns it through another',
    comparedWith: '1.33.4',
    steps: [
      ...defined,
      applied('v1', 'one', { size: 3, color: 'red' }, { code: 201 }),
      step(
        'PATCH',
        `${things('v2')}/a?fieldManager=editor`,
        {
          code: 200,
          body: {
            spec: { amount: 5 },
            metadata: {
              managedFields: [
                {
                  manager: 'one',
                  operation: 'Apply',
                  apiVersion: '{ns}.dev/v1',
                  fieldsV1: { 'f:spec': { 'f:color': {}, 'f:size': '<absent>' } },
                },
                {
                  manager: 'editor',
                  operation: 'Update',
                  apiVersion: '{ns}.dev/v2',
                  fieldsV1: { 'f:spec': { 'f:amount': {} } },
                },
              ],
            },
          },
        },
        { type: 'application/merge-patch+json', body: { spec: { amount: 5 } } },
      ),
      step('DELETE', `${things('v1')}/a`, { code: 200 }),
      undefinedAgain,
    ],
  },
];
