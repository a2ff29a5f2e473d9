/** ValidatingAdmissionPolicies: what they refuse, what they only warn of, and what they never look at. */
import { type Case, type Step, step } from '../suite.ts';
import { widgetDefinition } from '../widgets.ts';

const base = '/apis/admissionregistration.k8s.io/v1';
const policies = `${base}/validatingadmissionpolicies`;
const bindings = `${base}/validatingadmissionpolicybindings`;
const maps = '/api/v1/namespaces/{ns}/configmaps';
const name = 'p-{ns}';

const policy = (spec: Record<string, unknown>) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name },
  spec: {
    matchConstraints: {
      resourceRules: [
        {
          apiGroups: [''],
          apiVersions: ['v1'],
          operations: ['CREATE', 'UPDATE', 'DELETE'],
          resources: ['configmaps'],
        },
      ],
    },
    ...spec,
  },
});

/** Bound to the namespace of the case alone. */
const binding = (spec: Record<string, unknown> = {}) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  metadata: { name },
  spec: {
    policyName: name,
    validationActions: ['Deny'],
    matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': '{ns}' } } },
    ...spec,
  },
});

const map = (called: string, data: Record<string, string>, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: called, labels },
  data,
});

const bound = (spec: Record<string, unknown>, bindingSpec: Record<string, unknown> = {}): Step[] => [
  step('POST', policies, { code: 201 }, { body: policy(spec) }),
  step('POST', bindings, { code: 201 }, { body: binding(bindingSpec) }),
];
const unbound: Step[] = [
  step('DELETE', `${bindings}/${name}`, { code: 200 }),
  step('DELETE', `${policies}/${name}`, { code: 200 }),
];

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
const twoVersions = widgetDefinition('{ns}.dev', {
  versions: [
    { name: 'v1', served: true, storage: true, schema },
    { name: 'v2', served: true, storage: false, schema },
  ],
});

export const admissionCases: Case[] = [
  {
    name: 'a bound policy refuses what its expressions do not allow, in its own words',
    comparedWith: '1.33.4',
    steps: [
      ...bound({
        variables: [{ name: 'size', expression: "object.data['size']" }],
        matchConditions: [
          { name: 'not-free', expression: "request.operation == 'DELETE' || object.metadata.name != 'free'" },
        ],
        validations: [
          {
            expression: "request.operation == 'DELETE' || int(variables.size) < 10",
            messageExpression: "'size is ' + variables.size",
          },
          {
            expression: "oldObject == null || oldObject.metadata.name != 'kept' || object != null",
            reason: 'Forbidden',
          },
        ],
      }),
      step(
        'POST',
        maps,
        {
          code: 422,
          eventually: true,
          body: {
            reason: 'Invalid',
            message:
              "configmaps \"big\" is forbidden: ValidatingAdmissionPolicy 'p-{ns}' with binding 'p-{ns}' denied request: size is 11",
          },
        },
        { body: map('big', { size: '11' }) },
      ),
      step('POST', maps, { code: 201 }, { body: map('kept', { size: '9' }) }),
      step('POST', maps, { code: 201 }, { body: map('free', { size: '99' }) }),
      step('POST', maps, { code: 422, text: /resulted in error/ }, { body: map('none', {}) }),
      step(
        'PATCH',
        `${maps}/kept`,
        { code: 422, text: /size is 12/ },
        { type: 'application/merge-patch+json', body: { data: { size: '12' } } },
      ),
      step('DELETE', `${maps}/kept`, { code: 403, body: { reason: 'Forbidden' } }),
      step(
        'POST',
        '/api/v1/namespaces/default/configmaps?dryRun=All',
        { code: 201 },
        {
          body: map('elsewhere-{ns}', { size: '99' }),
        },
      ),
      ...unbound,
      step('DELETE', `${maps}/kept`, { code: 200, eventually: true }),
    ],
  },
  {
    name: 'a policy takes its measure from a parameter, and denies where there is none',
    notCompared: 'kube-apiserver went on by the old binding for a while after it was made anew',
    steps: [
      step('POST', maps, { code: 201 }, { body: map('limit', { max: '5' }) }),
      ...bound(
        {
          paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
          matchConditions: [
            { name: 'labelled', expression: "has(object.metadata.labels) && 'n' in object.metadata.labels" },
          ],
          validations: [
            { expression: 'int(object.metadata.labels.n) <= int(params.data.max)', message: 'too many' },
          ],
        },
        { paramRef: { name: 'limit', namespace: '{ns}', parameterNotFoundAction: 'Deny' } },
      ),
      step(
        'POST',
        maps,
        { code: 422, eventually: true, text: /denied request: too many/ },
        {
          body: map('six', {}, { n: '6' }),
        },
      ),
      step('POST', maps, { code: 201 }, { body: map('five', {}, { n: '5' }) }),
      step('DELETE', `${bindings}/${name}`, { code: 200 }),
      step('DELETE', `${maps}/limit`, { code: 200, eventually: true }),
      step(
        'POST',
        bindings,
        { code: 201 },
        {
          body: binding({ paramRef: { name: 'limit', namespace: '{ns}', parameterNotFoundAction: 'Deny' } }),
        },
      ),
      step(
        'POST',
        `${maps}?dryRun=All`,
        { code: 422, eventually: true, text: /no params found/ },
        {
          body: map('one', {}, { n: '1' }),
        },
      ),
      ...unbound,
    ],
  },
  {
    name: 'a binding that only warns lets pass',
    comparedWith: '1.33.4',
    steps: [
      ...bound(
        { validations: [{ expression: 'false', message: 'mind this' }] },
        { validationActions: ['Warn', 'Audit'] },
      ),
      step(
        'POST',
        `${maps}?dryRun=All`,
        { code: 201, eventually: true, headers: { warning: /mind this/ } },
        {
          body: map('a', {}),
        },
      ),
      ...unbound,
    ],
  },
  {
    name: 'a policy on one version of a resource cannot be passed by through another',
    comparedWith: '1.33.4',
    steps: [
      step('POST', definitions, { code: 201 }, { body: twoVersions }),
      step('GET', '/apis/{ns}.dev/v2/widgets', { code: 200, eventually: true }),
      ...bound({
        matchConstraints: {
          resourceRules: [
            { apiGroups: ['{ns}.dev'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['widgets'] },
          ],
        },
        validations: [{ expression: "request.userInfo.username == 'nobody'", message: 'not you' }],
      }),
      ...['v1', 'v2'].map((version) =>
        step(
          'POST',
          `/apis/{ns}.dev/${version}/namespaces/{ns}/widgets`,
          { code: 422, eventually: true, text: /denied request: not you/ },
          {
            body: {
              apiVersion: `{ns}.dev/${version}`,
              kind: 'Widget',
              metadata: { name: 'a' },
              spec: { size: 1 },
            },
          },
        ),
      ),
      ...unbound,
      step('DELETE', `${definitions}/widgets.{ns}.dev`, { code: 200 }),
    ],
  },
  {
    name: 'an expression that does not compile is refused with its place',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        policies,
        { code: 422, text: /spec\.validations\[0\]\.expression: Invalid value/ },
        { body: policy({ validations: [{ expression: 'object.x ==' }] }) },
      ),
      step(
        'POST',
        policies,
        { code: 422, text: /failurePolicy/ },
        {
          body: policy({ failurePolicy: 'Perhaps', validations: [{ expression: 'true' }] }),
        },
      ),
    ],
  },
];
